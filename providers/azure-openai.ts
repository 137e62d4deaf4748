import { defineProvider, type FormPart, type JsonObject, type TargetContext } from '../src/core/provider.ts'
import { apiRoot, isPathSegment, pathSegment } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { authHelp, checkChoice, entraSettings, keyOrEntra, keyOrToken } from './entra.ts'

const relay = 'verbatim'
/** A model that can't be the name of a deployment would lead elsewhere. */
const serves = isPathSegment

/** https://learn.microsoft.com/azure/ai-services/openai/reference */
export const azureOpenai = defineProvider({
  id: 'azure-openai',
  aliases: ['azure', 'azure_openai'],
  settings: {
    apiKey: { env: 'AZURE_OPENAI_API_KEY', aliases: ['AZURE_API_KEY'], secret: true, required: false },
    baseUrl: {
      env: 'AZURE_OPENAI_ENDPOINT',
      aliases: ['AZURE_API_BASE'],
      required: true,
      help: 'the endpoint, such as https://RESOURCE.openai.azure.com',
    },
    deployment: { env: 'AZURE_OPENAI_DEPLOYMENT', required: true, help: 'name of the deployment that answers' },
    apiVersion: { env: 'AZURE_OPENAI_API_VERSION', default: '2024-10-21' },
    auth: { env: 'AZURE_OPENAI_AUTH', required: false, help: authHelp },
    ...entraSettings,
    scope: { default: 'https://cognitiveservices.azure.com/.default', help: 'what a token is asked for' },
  },
  needsOneOf: keyOrEntra,
  origin(settings) {
    // Said when the config is read, not when the first request comes.
    pathSegment('deployment', settings.deployment)
    checkChoice(settings)
    return apiRoot(settings.baseUrl, '')
  },
  auth: keyOrToken,
  // Of the API without dated versions; there the deployment is the model of the body.
  forward: { proxy: 'named', responses: true, files: true, root: ({ baseUrl }) => `${apiRoot(baseUrl, '')}/openai/v1` },
  codecs: {
    chat: openai.chat({
      path: ({ settings }) => deploymentPath(settings, settings.deployment, 'chat/completions'),
      relay,
      tokenLimit: 'max_completion_tokens',
    }),
    embeddings: openai.embeddings({ path: at('embeddings'), relay, serves }),
    images: openai.images({ ...pictures('images/generations'), prepare: withoutModel }),
    imageEdits: openai.imageEdits({ ...pictures('images/edits', previewVersion), prepare: withoutModelPart }),
    transcriptions: openai.transcriptions({
      path: at('audio/transcriptions'),
      relay,
      serves,
      events: openai.typedEvents,
      prepare: withoutModelPart,
    }),
    translations: openai.translations({ path: at('audio/translations'), relay, serves, prepare: withoutModelPart }),
    speech: openai.speech({
      path: at('audio/speech', previewVersion),
      relay,
      serves,
      streams: true,
      prepare: withoutModel,
    }),
  },
  answersWithModel: true,
  // Chat: the deployment answers, whatever the client calls it.
  anyModel: true,
  listedModels: ({ deployment }) => [deployment],
  notes:
    'Chats are answered by the configured deployment, everything else by the one named like the model. A key, or Entra ID.',
})

/** The model is the deployment; where none is asked for, the configured one. */
function at(resource: string, version?: (configured: string) => string) {
  return ({ settings, model }: TargetContext): string =>
    deploymentPath(settings, model || settings.deployment, resource, version)
}

function pictures(resource: string, version?: (configured: string) => string) {
  return {
    path: at(resource, version),
    relay,
    serves,
    defaultModel: '',
    // A deployment may have any name; most are called like what they deploy.
    only: (model: string) => (model.includes('gpt-image') ? 'b64_json' : null),
  } as const
}

function deploymentPath(
  { apiVersion }: TargetContext['settings'],
  deployment: string,
  resource: string,
  version = (configured: string) => configured,
): string {
  const query = new URLSearchParams({ 'api-version': version(apiVersion) })
  return `/openai/deployments/${pathSegment('deployment', deployment)}/${resource}?${query}`
}

/** No dated version that is out of preview has these. */
function previewVersion(configured: string): string {
  return configured.endsWith('-preview') ? configured : '2025-04-01-preview'
}

/** The path names the deployment; the service ignores the model, and some of its versions refuse it. */
function withoutModel({ model: _model, ...request }: JsonObject): JsonObject {
  return request
}

function withoutModelPart(parts: readonly FormPart[]): readonly FormPart[] {
  return parts.filter(({ name }) => name !== 'model')
}
