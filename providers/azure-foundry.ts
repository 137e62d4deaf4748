import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { anthropic } from './dialects/anthropic.ts'
import { openai } from './dialects/openai.ts'
import { authHelp, checkChoice, entraSettings, keyOrEntra, keyOrToken } from './entra.ts'

/** What a model doesn't know is left out by the service; without this header it is a 400. */
const headers = { 'extra-parameters': 'drop' }

/** https://learn.microsoft.com/azure/ai-foundry/foundry-models/how-to/use-chat-completions */
const completions = openai.chat({
  path: '/openai/v1/chat/completions',
  relay: 'normalise',
  tokenLimit: 'max_completion_tokens',
  headers,
})

/** https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry */
const messages = anthropic.chat({ path: '/anthropic/v1/messages' })

export const azureFoundry = defineProvider({
  id: 'azure-foundry',
  aliases: ['azure_ai', 'azure-ai', 'azure-ai-foundry'],
  settings: {
    apiKey: { env: 'AZURE_FOUNDRY_API_KEY', secret: true, required: false },
    baseUrl: {
      env: 'AZURE_FOUNDRY_ENDPOINT',
      required: true,
      help: 'the endpoint, such as https://RESOURCE.services.ai.azure.com',
    },
    apiVersion: {
      env: 'AZURE_FOUNDRY_API_VERSION',
      required: false,
      help: 'taken and not sent: the v1 route has no version parameter',
    },
    auth: { env: 'AZURE_FOUNDRY_AUTH', required: false, help: authHelp },
    ...entraSettings,
    scope: { default: 'https://ai.azure.com/.default', help: 'what a token is asked for' },
  },
  needsOneOf: keyOrEntra,
  origin(settings) {
    checkChoice(settings)
    return rootOf(settings.baseUrl)
  },
  auth: keyOrToken,
  forwardHeaders: ['anthropic-beta'],
  forward: { proxy: 'named', root: ({ baseUrl }) => `${rootOf(baseUrl)}/openai/v1` },
  codecs: {
    chat: { ...completions, forModel: model => (/^claude/i.test(model) ? messages : completions) },
    embeddings: openai.embeddings({ path: '/openai/v1/embeddings', relay: 'normalise', headers }),
    images: openai.images({
      path: '/openai/v1/images/generations',
      relay: 'normalise',
      only: model => (/gpt-image/i.test(model) ? 'b64_json' : null),
    }),
  },
  anyModel: true,
  notes:
    'The model is the name of the deployment. A key, or Entra ID. Names that begin with `claude` are spoken to in Anthropic’s Messages API.',
})

/** The root of the dated route, which this one replaces, ended in /models; the one of Claude's ends in /anthropic. */
const rootOf = (baseUrl: string): string =>
  apiRoot(baseUrl, '').replace(/\/(?:models|openai(?:\/v1)?|anthropic(?:\/v1)?)$/, '')
