import { field, fieldOf } from '../src/core/form.ts'
import { isObject, type Json, type JsonObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type FormPart } from '../src/core/provider.ts'
import { type OpenAiChat, openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** What its chat takes, whoever hosts it. */
export const mistralChat = {
  relay: 'normalise',
  tokenLimit: 'max_tokens',
  unsupported: ['logprobs', 'top_logprobs', 'user', 'logit_bias'],
  rename: { seed: 'random_seed' },
  streamOptions: false,
  prepare: toMistral,
} as const satisfies Omit<OpenAiChat, 'path'>

/** https://docs.mistral.ai/api */
export const mistral = defineProvider({
  id: 'mistral',
  aliases: ['mistral-ai', 'mistralai'],
  ...hosted({ root: 'https://api.mistral.ai/v1', env: 'MISTRAL', help: 'https://console.mistral.ai/api-keys' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', ...mistralChat }),
    embeddings: openai.embeddings({
      path: '/embeddings',
      relay: 'normalise',
      floatsOnly: true,
      unsupported: ['user', 'input_type'],
      rename: { dimensions: 'output_dimension' },
    }),
    moderations: openai.moderations({
      path: '/moderations',
      relay: 'normalise',
      defaultModel: 'mistral-moderation-latest',
    }),
    transcriptions: openai.transcriptions({
      path: '/audio/transcriptions',
      relay: 'normalise',
      formats: ['json', 'verbose_json'],
      unsupported: ['prompt', 'include[]', 'chunking_strategy'],
      prepare: toTimes,
      events: openai.translatedEvents(transcriptEvent),
    }),
    speech: openai.speech({
      path: '/audio/speech',
      relay: 'normalise',
      soundIn: 'audio_data',
      unsupported: ['speed', 'instructions', 'stream_format'],
      rename: { voice: 'voice_id' },
    }),
  },
  modelPrefixes: [
    'mistral-',
    'codestral-',
    'open-mistral-',
    'pixtral-',
    'ministral-',
    'magistral-',
    'devstral-',
    'voxtral-',
    'open-mixtral-',
    'open-codestral-',
  ],
  models: [
    'mistral-large-latest',
    'mistral-medium-latest',
    'mistral-small-latest',
    'codestral-latest',
    'devstral-medium-latest',
    'magistral-medium-latest',
    'ministral-8b-latest',
    'pixtral-large-latest',
    'mistral-embed',
    'codestral-embed',
    'mistral-moderation-latest',
    'voxtral-mini-latest',
  ],
  notes: 'Its schema is closed: parameters and message fields it does not know are left out. `developer` → `system`.',
})

/** Everything else is a 422. */
const params: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'temperature',
  'top_p',
  'max_tokens',
  'stream',
  'stop',
  'random_seed',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'presence_penalty',
  'frequency_penalty',
  'n',
  'prediction',
  'metadata',
  'prompt_mode',
  'safe_prompt',
  'reasoning_effort',
])

const messageFields: Readonly<Record<string, ReadonlySet<string>>> = {
  system: new Set(['role', 'content']),
  user: new Set(['role', 'content']),
  assistant: new Set(['role', 'content', 'tool_calls', 'prefix']),
  tool: new Set(['role', 'content', 'tool_call_id', 'name']),
}

function toMistral(request: ChatRequest): JsonObject {
  return { ...only(request, params), messages: request.messages.map(message) }
}

const only = (object: JsonObject, fields: ReadonlySet<string>): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([field]) => fields.has(field)))

function message(sent: Json): Json {
  if (!isObject(sent)) return sent
  const role = sent.role === 'developer' ? 'system' : typeof sent.role === 'string' ? sent.role : ''
  if (!Object.hasOwn(messageFields, role)) return sent
  const out = { ...only(sent, messageFields[role]), role }
  if (role === 'assistant' && Array.isArray(sent.tool_calls))
    return {
      ...out,
      tool_calls: sent.tool_calls.map(call => (isObject(call) ? { ...call, id: callId(call.id) } : call)),
    }
  return role === 'tool' ? { ...out, tool_call_id: callId(sent.tool_call_id) } : out
}

/** Ids that another provider gave a call earlier in the conversation: nine letters and digits, the same for the same id. */
function callId(id: Json | undefined): Json | undefined {
  if (typeof id !== 'string' || /^[A-Za-z0-9]{9}$/.test(id)) return id
  return (fnv(id, 0x811c9dc5).toString(36) + fnv(id, 0x01000193).toString(36)).padEnd(9, '0').slice(0, 9)
}

/** FNV-1a over UTF-16 units: apart from each other is all that the ids of one conversation have to be. */
function fnv(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** It always answers in JSON; times are asked for by their grain. https://docs.mistral.ai/capabilities/audio_transcription */
function toTimes(parts: readonly FormPart[]): readonly FormPart[] {
  const rest = parts
    .filter(({ name }) => name !== 'response_format')
    .map(part => (part.name === 'timestamp_granularities[]' ? { ...part, name: 'timestamp_granularities' } : part))
  const isTimed = rest.some(({ name }) => name === 'timestamp_granularities')
  return fieldOf({ parts }, 'response_format') === 'verbose_json' && !isTimed
    ? [...rest, field('timestamp_granularities', 'segment')]
    : rest
}

/** Its events under OpenAI's names; those without one have no place there. */
const eventTypes: Readonly<Record<string, string>> = {
  'transcription.text.delta': 'transcript.text.delta',
  'transcription.segment': 'transcript.text.segment',
  'transcription.done': 'transcript.text.done',
}

function transcriptEvent({ type, text, ...rest }: JsonObject): JsonObject | null {
  if (typeof type !== 'string' || !Object.hasOwn(eventTypes, type)) return null
  return type === 'transcription.text.delta'
    ? { type: eventTypes[type], delta: text, ...rest }
    : { type: eventTypes[type], text, ...rest }
}
