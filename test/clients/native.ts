import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { anthropicKey, startMockAnthropic } from '../support/mock-anthropic.ts'
import { bedrockKey, startMockBedrock } from '../support/mock-bedrock.ts'
import { cohereKey, startMockCohere } from '../support/mock-cohere.ts'
import { geminiKey, startMockGemini } from '../support/mock-gemini.ts'
import { answerAsOpenAi, startMockOpenAi } from '../support/mock-openai.ts'
import { answerAllSurfaces } from '../support/mock-surfaces.ts'

/** One of each wire format that is translated, and OpenAI's, which is not. */
export const models = {
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
  bedrock: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
  cohere: 'command-a-reasoning-08-2025',
  openai: 'gpt-4o',
}

/** A gateway in front of all of them. */
export async function startNative(t: Lifetime) {
  const upstreams = {
    anthropic: await startMockAnthropic(t),
    gemini: await startMockGemini(t),
    bedrock: await startMockBedrock(t),
    cohere: await startMockCohere(t),
    openai: await startMockOpenAi(t, (request, response) =>
      request.path.endsWith('/chat/completions')
        ? answerAsOpenAi(request, response)
        : answerAllSurfaces(request, response),
    ),
  }
  const { anthropic, gemini, bedrock, cohere, openai } = upstreams
  const others = ['dall-e-3', 'text-embedding-3-small']
  const { url } = await startGateway(t, {
    config: {
      strategy: { mode: 'fallback' },
      targets: [
        { virtual_key: 'anthropic', api_key: anthropicKey, base_url: anthropic.url, models: [models.anthropic] },
        { virtual_key: 'gemini', api_key: geminiKey, base_url: `${gemini.url}/v1beta`, models: [models.gemini] },
        { virtual_key: 'bedrock', api_key: bedrockKey, base_url: bedrock.url, models: [models.bedrock] },
        { virtual_key: 'cohere', api_key: cohereKey, base_url: cohere.url, models: [models.cohere] },
        { virtual_key: 'openai', api_key: 'sk-x', base_url: `${openai.url}/v1`, models: [models.openai, ...others] },
      ],
    },
  })
  return { url, upstreams }
}
