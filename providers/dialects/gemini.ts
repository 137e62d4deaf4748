import type { ChatCodec } from '../../src/core/provider.ts'
import { fromGenerated } from './gemini/answer.ts'
import { embeddings } from './gemini/embeddings.ts'
import { toUpstreamError } from './gemini/error.ts'
import { GenerateEvents } from './gemini/events.ts'
import { type GeminiHost, googleAi, methodPath } from './gemini/host.ts'
import { images } from './gemini/images.ts'
import { toGenerateRequest } from './gemini/request.ts'
import { speech } from './gemini/speech.ts'

/** Google's generateContent, and its other methods. https://ai.google.dev/api/generate-content */
export const gemini = {
  chat(host: GeminiHost = googleAi): ChatCodec {
    return {
      relay: null,
      framing: 'sse',
      params,
      path: ({ model, stream }) =>
        methodPath(host, model, stream ? 'streamGenerateContent?alt=sse' : 'generateContent'),
      encode: (request, target) => toGenerateRequest(request, target, host),
      decode: fromGenerated,
      events: target => new GenerateEvents(target),
      failure: toUpstreamError,
    }
  },
  embeddings,
  images,
  speech,
}

const params = {
  max_tokens: 'translate',
  max_completion_tokens: 'translate',
  top_p: 'translate',
  n: 'translate',
  presence_penalty: 'translate',
  frequency_penalty: 'translate',
  stop: 'translate',
  tools: 'translate',
  tool_choice: 'translate',
  response_format: 'translate',
  logprobs: 'translate',
  top_logprobs: 'translate',
  parallel_tool_calls: 'unsupported',
  user: 'unsupported',
  logit_bias: 'unsupported',
} as const
