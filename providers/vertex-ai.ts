import { Failure } from '../src/core/failures.ts'
import { type Auth, type ChatCodec, defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot, pathSegment } from './base-url.ts'
import { toUpstreamError as readAnthropicError } from './dialects/anthropic/error.ts'
import { anthropic } from './dialects/anthropic.ts'
import { type EmbeddingMethod, embedContent, predictEmbeddings } from './dialects/gemini/embeddings.ts'
import { toUpstreamError } from './dialects/gemini/error.ts'
import type { GeminiHost } from './dialects/gemini/host.ts'
import { rerank } from './dialects/gemini/rerank.ts'
import { gemini } from './dialects/gemini.ts'
import { openai } from './dialects/openai.ts'
import { mistralChat } from './mistral.ts'
import { publisherModels } from './model-lists.ts'
import { modelPath, placeOf, publishedName, type Way } from './vertex-models.ts'

/** Calls have no ids here. https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/function-calling */
const host: GeminiHost = { path: modelPath, hasCallIds: false }

const rawPredict = ({ model, stream }: TargetContext): string =>
  `${modelPath(model) ?? '/publishers/unknown'}:${stream ? 'streamRawPredict' : 'rawPredict'}`

/** Google's own failures come in Google's envelope, whoever made the model. */
const failure: ChatCodec['failure'] = (status, body) =>
  body?.type === 'error' ? readAnthropicError(status, body) : toUpstreamError(status, body)

/** Each by the wire format that its makers gave it, so that nothing is lost on the way. */
const ways: Readonly<Record<Way, ChatCodec>> = {
  google: gemini.chat(host),
  // https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai
  anthropic: { ...anthropic.chat({ path: rawPredict, bodyVersion: 'vertex-2023-10-16' }), failure },
  // https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/mistral
  mistralai: {
    ...openai.chat({
      ...mistralChat,
      path: rawPredict,
      prepare: (request, target) => ({
        ...mistralChat.prepare(request),
        // The version stands in the path only.
        model: placeOf(target.model)?.name.replace(/@.*/, '') ?? target.model,
      }),
    }),
    failure,
  },
  // https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview
  openapi: openai.chat({
    path: '/endpoints/openapi/chat/completions',
    relay: 'normalise',
    tokenLimit: 'max_tokens',
    prepare: (request, { model }) =>
      placeOf(model) === null
        ? new Failure('invalid_request', { message: 'model must be a name, not a path', param: 'model' })
        : { ...request, model: publishedName(model) },
  }),
  // https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview#self-deployed
  endpoint: openai.chat({
    path: ({ model }) => `/endpoints/${placeOf(model)?.name}/chat/completions`,
    relay: 'normalise',
    tokenLimit: 'max_tokens',
  }),
}

const nameOf = (model: string): string => placeOf(model)?.name ?? ''

const oneByOne = predictEmbeddings(1)
const together = predictEmbeddings(250)

/** The first of Gemini's takes one text per call, its successors have a method of their own. */
function embeddingMethod(model: string): EmbeddingMethod {
  const name = nameOf(model)
  if (!name.startsWith('gemini-embedding-')) return together
  return name === 'gemini-embedding-001' ? oneByOne : embedContent
}

const families = [
  'gemini-',
  'imagen-',
  'text-embedding-0',
  'text-multilingual-embedding-',
  'textembedding-gecko',
  'claude-',
  'semantic-ranker-',
]
/** Whole ids: `meta/` or `google/` alone are how other hosts name what they serve. */
const asService = [
  'meta/llama-4-maverick-17b-128e-instruct-maas',
  'meta/llama-4-scout-17b-16e-instruct-maas',
  'meta/llama-3.3-70b-instruct-maas',
  'openai/gpt-oss-120b-maas',
]

export const vertexAi = defineProvider({
  id: 'vertex-ai',
  aliases: ['vertex', 'vertex_ai', 'google-vertex-ai'],
  settings: {
    projectId: { env: 'VERTEX_AI_PROJECT_ID', aliases: ['GOOGLE_CLOUD_PROJECT'], required: true },
    region: {
      env: 'VERTEX_AI_REGION',
      aliases: ['GOOGLE_CLOUD_LOCATION'],
      required: true,
      help: 'such as us-central1, or global, us, eu',
    },
    apiKey: { env: 'VERTEX_AI_API_KEY', secret: true, required: false, help: 'wins over all other credentials' },
    serviceAccountJson: {
      env: 'VERTEX_AI_SERVICE_ACCOUNT_JSON',
      secret: true,
      required: false,
      help: 'the key of a service account, as JSON or as the path of its file',
    },
    credentialsFile: {
      env: 'GOOGLE_APPLICATION_CREDENTIALS',
      required: false,
      help: 'credentials of any kind; without either, Application Default Credentials',
    },
    userProject: { env: 'GOOGLE_CLOUD_QUOTA_PROJECT', required: false, help: 'the project that is billed' },
    baseUrl: {
      env: 'VERTEX_AI_BASE_URL',
      required: false,
      help: 'in place of the host that follows from the region',
    },
  },
  origin({ projectId, region, baseUrl }) {
    if (!/^[a-z0-9-]+$/.test(region)) throw new Error('region must be a location such as us-central1 or global')
    const place = `/v1/projects/${pathSegment('project_id', projectId)}/locations/${region}`
    return baseUrl ? ownRoot(baseUrl, place) : `https://${hostOf(region)}${place}`
  },
  auth({ apiKey, serviceAccountJson, credentialsFile, userProject }): Auth {
    if (apiKey) return { scheme: 'header', name: 'x-goog-api-key', value: apiKey }
    const credentials = serviceAccountJson || credentialsFile || ''
    return { scheme: 'google', credentials, ...(userProject && { userProject }) }
  },
  forwardHeaders: ['anthropic-beta'],
  discovery: {
    ...publisherModels,
    root: ({ region, baseUrl }) =>
      `${baseUrl ? new URL(baseUrl).origin : `https://${hostOf(region)}`}/v1beta1/publishers/google`,
  },
  forward: { proxy: 'named' },
  imageFormats: ['b64_json'],
  codecs: {
    chat: { ...ways.google, forModel: model => ways[placeOf(model)?.way ?? 'google'] },
    embeddings: {
      ...gemini.embeddings(host, embeddingMethod),
      serves: model => /embedding/.test(model),
    },
    images: { ...gemini.images(host), serves: model => /imagen-|-image/.test(model) },
    speech: gemini.speech(host),
    rerank: rerank(rankingRoot),
  },
  modelPrefixes: [...families, ...families.map(family => `models/${family}`), 'publishers/', ...asService],
  models: [
    'gemini-3.1-pro-preview',
    'gemini-2.5-pro',
    'gemini-2.5-flash',
    'gemini-2.5-flash-lite',
    'claude-opus-4-6',
    'claude-sonnet-4-6',
    'claude-haiku-4-5@20251001',
    ...asService,
    'gemini-embedding-001',
    'text-embedding-005',
    'imagen-4.0-generate-001',
    'semantic-ranker-default-004',
  ],
  notes:
    'Gemini in its own wire format, Claude in Anthropic’s, Mistral in its own, `vendor/model` through the OpenAI-compatible endpoint, a number as an endpoint of one’s own.',
})

/** https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations */
function hostOf(region: string): string {
  if (region === 'global') return 'aiplatform.googleapis.com'
  return region === 'us' || region === 'eu'
    ? `aiplatform.${region}.rep.googleapis.com`
    : `${region}-aiplatform.googleapis.com`
}

/** Rankings are another API's, of the whole world; behind a base URL of one's own everything is behind it. */
function rankingRoot({ settings: { projectId, baseUrl } }: TargetContext): string {
  const place = `/v1/projects/${pathSegment('project_id', projectId)}/locations/global`
  return `${baseUrl ? new URL(baseUrl).origin : 'https://discoveryengine.googleapis.com'}${place}`
}

/** Takes a host, or whichever URL of the project's location was at hand. */
function ownRoot(baseUrl: string, place: string): string {
  const root = apiRoot(baseUrl, '').replace(/\/endpoints\/openapi(?:\/chat\/completions)?$/, '')
  return /\/locations\/[^/]+$/.test(root) ? root : `${root.replace(/\/v1$/, '')}${place}`
}
