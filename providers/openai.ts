import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { openai as dialect } from './dialects/openai.ts'
import { openaiModels } from './model-lists.ts'

const relay = 'verbatim'

export const openai = defineProvider({
  id: 'openai',
  settings: {
    apiKey: { env: 'OPENAI_API_KEY', secret: true, help: 'https://platform.openai.com/api-keys' },
    baseUrl: { env: 'OPENAI_BASE_URL', default: 'https://api.openai.com/v1' },
    organization: { env: 'OPENAI_ORG_ID', required: false, help: 'sent as OpenAI-Organization' },
    project: { env: 'OPENAI_PROJECT_ID', required: false, help: 'sent as OpenAI-Project' },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, '/v1'),
  // Without a key a base URL of one's own still works: a proxy or a test server that wants none.
  auth: ({ apiKey }) => (apiKey ? { scheme: 'bearer', token: apiKey } : { scheme: 'none' }),
  headers: ({ organization, project }) => ({
    ...(organization && { 'openai-organization': organization }),
    ...(project && { 'openai-project': project }),
  }),
  discovery: openaiModels,
  forwardHeaders: ['openai-beta', 'idempotency-key', 'openai-safety-identifier'],
  forward: { proxy: 'any', responses: true, files: true },
  codecs: {
    // Models since o1 refuse `max_tokens`; all of them take `max_completion_tokens`.
    chat: dialect.chat({ path: '/chat/completions', relay: 'verbatim', tokenLimit: 'max_completion_tokens' }),
    completions: dialect.completions({ path: '/completions', relay, serves: completesText }),
    embeddings: dialect.embeddings({ path: '/embeddings', relay }),
    images: dialect.images({ path: '/images/generations', relay, only: pictureFormat, defaultModel: 'gpt-image-1' }),
    imageEdits: dialect.imageEdits({ path: '/images/edits', relay, only: pictureFormat, defaultModel: 'gpt-image-1' }),
    imageVariations: dialect.imageVariations({ path: '/images/variations', relay, defaultModel: 'dall-e-2' }),
    moderations: dialect.moderations({ path: '/moderations', relay, defaultModel: 'omni-moderation-latest' }),
    transcriptions: dialect.transcriptions({ path: '/audio/transcriptions', relay, events: dialect.typedEvents }),
    translations: dialect.translations({ path: '/audio/translations', relay }),
    speech: dialect.speech({ path: '/audio/speech', relay, streams: true }),
  },
  modelPrefixes: [
    'gpt-',
    'chatgpt-',
    ...Array.from('123456789', digit => `o${digit}`),
    'codex-',
    'computer-use-',
    'text-embedding-',
    'dall-e-',
    'whisper-',
    'tts-',
    'sora-',
    'davinci-',
    'babbage-',
    'omni-moderation',
    'text-moderation',
    'ft:',
  ],
  models: [
    'gpt-5.2',
    'gpt-5.1',
    'gpt-5',
    'gpt-5-mini',
    'gpt-5-nano',
    'gpt-4.1',
    'gpt-4.1-mini',
    'gpt-4.1-nano',
    'gpt-4o',
    'gpt-4o-mini',
    'gpt-4-turbo',
    'gpt-4',
    'gpt-3.5-turbo',
    'gpt-3.5-turbo-instruct',
    'chatgpt-4o-latest',
    'o1',
    'o3',
    'o3-mini',
    'o4-mini',
    'text-embedding-3-small',
    'text-embedding-3-large',
    'text-embedding-ada-002',
    'gpt-image-1',
    'gpt-image-1-mini',
    'dall-e-3',
    'dall-e-2',
    'whisper-1',
    'gpt-4o-transcribe',
    'gpt-4o-mini-transcribe',
    'gpt-4o-transcribe-diarize',
    'tts-1',
    'tts-1-hd',
    'gpt-4o-mini-tts',
    'omni-moderation-latest',
    'davinci-002',
    'babbage-002',
  ],
})

/** The models that complete and do not chat, and what was tuned from them. */
function completesText(model: string): boolean {
  return /^(?:ft:)?(?:gpt-3\.5-turbo-instruct|davinci-002|babbage-002)/.test(model)
}

/** The GPT image models always answer in base64, and take no `response_format`. */
function pictureFormat(model: string): 'b64_json' | null {
  return /^(?:gpt-image-|chatgpt-image-)/.test(model) ? 'b64_json' : null
}
