import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { openai } from './dialects/openai.ts'

/** https://learn.microsoft.com/azure/ai-foundry/foundry-models/how-to/use-chat-completions */
export const azureFoundry = defineProvider({
  id: 'azure-foundry',
  settings: {
    apiKey: { env: 'AZURE_FOUNDRY_API_KEY', secret: true },
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
  },
  // The root of the dated route, which this one replaces, ended in /models.
  origin: ({ baseUrl }) => apiRoot(baseUrl, '').replace(/\/models$/, ''),
  auth: ({ apiKey }) => ({ scheme: 'header', name: 'api-key', value: apiKey }),
  codecs: {
    chat: openai.chat({
      path: '/openai/v1/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_completion_tokens',
      // What a model doesn't know is left out by the service; without this header it is a 400.
      headers: { 'extra-parameters': 'drop' },
    }),
  },
  anyModel: true,
  notes: 'The model is the name of the deployment.',
})
