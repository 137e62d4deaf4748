import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot, pathSegment } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { authHelp, checkChoice, entraSettings, keyOrToken, orEntra } from './entra.ts'

/** https://learn.microsoft.com/azure/ai-services/openai/reference */
export const azureOpenai = defineProvider({
  id: 'azure-openai',
  settings: {
    apiKey: { env: 'AZURE_OPENAI_API_KEY', secret: true, unless: orEntra },
    baseUrl: {
      env: 'AZURE_OPENAI_ENDPOINT',
      required: true,
      help: 'the endpoint, such as https://RESOURCE.openai.azure.com',
    },
    deployment: { env: 'AZURE_OPENAI_DEPLOYMENT', required: true, help: 'name of the deployment that answers' },
    apiVersion: { env: 'AZURE_OPENAI_API_VERSION', default: '2024-10-21' },
    auth: { env: 'AZURE_OPENAI_AUTH', required: false, help: authHelp },
    ...entraSettings,
    scope: { default: 'https://cognitiveservices.azure.com/.default', help: 'what a token is asked for' },
  },
  origin(settings) {
    // Said when the config is read, not when the first request comes.
    pathSegment('deployment', settings.deployment)
    checkChoice(settings)
    return apiRoot(settings.baseUrl, '')
  },
  auth: keyOrToken,
  codecs: {
    chat: openai.chat({ path: chatPath, relay: 'verbatim', tokenLimit: 'max_completion_tokens' }),
  },
  // The deployment answers, whatever the client calls it.
  anyModel: true,
  listedModels: ({ deployment }) => [deployment],
  notes: 'The configured deployment answers, whatever model is asked for. A key, or Entra ID.',
})

function chatPath({ settings }: TargetContext): string {
  const { deployment, apiVersion } = settings
  const query = new URLSearchParams({ 'api-version': apiVersion })
  return `/openai/deployments/${pathSegment('deployment', deployment)}/chat/completions?${query}`
}
