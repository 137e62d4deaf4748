import { noUsage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { type Answer, type Codec, RawBody, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { lacks } from '../openai/answer.ts'
import { openAiVoices } from '../sound.ts'
import { checkModel, failure, resultOf, runPath } from './run.ts'

/** OpenAI's names for forms of sound, as Deepgram has them. */
const forms: Readonly<Record<string, JsonObject>> = {
  mp3: { encoding: 'mp3' },
  opus: { encoding: 'opus', container: 'ogg' },
  aac: { encoding: 'aac' },
  flac: { encoding: 'flac' },
  wav: { encoding: 'linear16', container: 'wav' },
  pcm: { encoding: 'linear16', container: 'none', sample_rate: 24_000 },
}

const isDeepgram = (model: string): boolean => /\/aura-/.test(model)

const known: ReadonlySet<string> = new Set([
  'model',
  'input',
  'voice',
  'response_format',
  'stream_format',
  'lang',
  'sample_rate',
  'bit_rate',
])

/** https://developers.cloudflare.com/workers-ai/models/aura-1/, https://developers.cloudflare.com/workers-ai/models/melotts/ */
export const speech = (root: (target: TargetContext) => string): Codec => ({
  relay: null,
  framing: 'sse',
  root,
  serves: model => isDeepgram(model) || model.includes('melotts'),
  path: runPath,
  encode(request: JsonObject, target) {
    const refusal = new Refusal()
    checkModel(refusal, target)
    refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
    const input = text(request.input)
    const body = isDeepgram(target.model) ? spokenByDeepgram(input, request, refusal) : melody(input, request, refusal)
    return refusal.failure ?? body
  },
  decode: (body, target) => soundIn(body, target),
  failure,
})

function spokenByDeepgram(input: string, request: JsonObject, refusal: Refusal): JsonObject {
  const form = text(request.response_format) || 'mp3'
  if (!Object.hasOwn(forms, form)) refusal.unsupported('response_format', `this model speaks no ${form.slice(0, 64)}`)
  const voice = text(request.voice)
  const body: JsonObject = { text: input, ...forms[form] }
  // In place of OpenAI's the model's own first one speaks.
  if (voice !== '' && !openAiVoices.has(voice)) body.speaker = voice
  for (const name of ['sample_rate', 'bit_rate'])
    if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
  return body
}

function melody(prompt: string, { response_format: form, lang }: JsonObject, refusal: Refusal): JsonObject {
  if (form !== undefined && form !== null && form !== 'mp3')
    refusal.unsupported('response_format', 'this model speaks mp3 only')
  return { prompt, ...(typeof lang === 'string' && { lang }) }
}

/** Where the sound is not the answer itself. */
function soundIn(body: JsonObject, { request }: TargetContext): Answer | Failure {
  const base64 = text(resultOf(body).audio)
  if (base64 === '') return lacks(body, 'sound')
  const bytes = Buffer.from(base64, 'base64')
  const type = bytes.subarray(0, 4).toString('latin1') === 'RIFF' ? 'audio/wav' : 'audio/mpeg'
  const input = request !== undefined && 'input' in request ? text(request.input) : ''
  return { body: new RawBody(type, bytes), usage: { ...noUsage, characters: [...input].length } }
}
