import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { type Answer, type Codec, RawBody, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { samplesOf, toWav } from '../wav.ts'
import { blockReason } from './candidate.ts'
import { toUpstreamError } from './error.ts'
import { type GeminiHost, methodPath } from './host.ts'
import { generationOf } from './models.ts'
import { toUsage } from './usage.ts'

/** https://ai.google.dev/gemini-api/docs/speech-generation */
export const speech = (host: GeminiHost): Codec => ({
  relay: null,
  framing: 'sse',
  serves: model => /-tts(?:-|$)/.test(model),
  params: { voice: 'translate', instructions: 'translate', response_format: 'translate', speed: 'unsupported' },
  path: ({ model }) => methodPath(host, model, 'generateContent'),
  encode: (request, target) => toSpeechRequest(request, target, host),
  decode: fromSpeech,
  failure: toUpstreamError,
})

const known: ReadonlySet<string> = new Set([
  'model',
  'input',
  'voice',
  'instructions',
  'response_format',
  'stream_format',
  'language_code',
])

/** What comes of it is raw samples; a WAV file is those with a head. */
const formats = ['wav', 'pcm']
/** From here on a text is spoken word for word, and how it is to sound is said apart from it. */
const wordForWord = 308

function toSpeechRequest(request: JsonObject, target: TargetContext, host: GeminiHost): JsonObject | Failure {
  const refusal = new Refusal()
  const { model, stream, onUnsupportedParam } = target
  if (host.path(model) === null) refusal.invalid('model', 'model must be a name, not a path')
  if (stream) refusal.unsupported('stream_format', 'this model speaks whole answers only: stream_format must be audio')
  const format = request.response_format
  if (format !== undefined && format !== null && !formats.includes(text(format)))
    refusal.unsupported('response_format', `response_format must be one of ${formats.join(', ')} for this model`)
  const voice = isObject(request.voice) ? text(request.voice.id) : text(request.voice)
  if (voice === '') refusal.invalid('voice', 'voice must be the name of a voice')
  const omitted = omittedParameters(request, known).filter(name => !(name === 'speed' && request.speed === 1))
  refuseOmitted(omitted, onUnsupportedParam, refusal)
  const input = text(request.input)
  const style = text(request.instructions)
  const language = text(request.language_code)
  const part: JsonObject =
    style === ''
      ? { text: input }
      : generationOf(model) >= wordForWord
        ? { text: input, speechMetadata: { style } }
        : { text: `${style}: ${input}` }
  const speechConfig: JsonObject = {
    voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } },
    ...(language !== '' && { languageCode: language }),
  }
  return (
    refusal.failure ?? {
      contents: [{ role: 'user', parts: [part] }],
      generationConfig: { responseModalities: ['AUDIO'], speechConfig },
    }
  )
}

/** Where the media type doesn't say. */
const usualRate = 24_000

function fromSpeech(body: JsonObject, { request }: TargetContext): Answer | Failure {
  const candidate = Array.isArray(body.candidates) ? body.candidates.find(isObject) : undefined
  const content = candidate?.content
  const parts = isObject(content) && Array.isArray(content.parts) ? content.parts.filter(isObject) : []
  const sounds = parts.flatMap(({ inlineData }) => (isObject(inlineData) ? [inlineData] : []))
  const type = text(sounds[0]?.mimeType).toLowerCase()
  const bytes = Buffer.concat(sounds.map(({ data }) => Buffer.from(text(data), 'base64')))
  if (bytes.length === 0) {
    const reason = blockReason(body) || text(candidate?.finishMessage) || text(candidate?.finishReason)
    return new Failure('upstream_error', { cause: `the answer has no sound: ${reason}` })
  }
  const wantsPcm = isObject(request) && request.response_format === 'pcm'
  const counted = toUsage(isObject(body.usageMetadata) ? body.usageMetadata : {})
  const usage = { ...counted, characters: isObject(request) ? [...text(request.input as Json | undefined)].length : 0 }
  if (/^audio\/(?:x-)?wav/.test(type)) {
    const samples = wantsPcm ? samplesOf(bytes) : bytes
    if (samples === null) return new Failure('upstream_error', { cause: 'the answer is no WAV file' })
    return { body: new RawBody(wantsPcm ? 'audio/pcm' : 'audio/wav', samples), usage }
  }
  if (!/^audio\/(?:l16|pcm)\b/.test(type)) return new Failure('upstream_error', { cause: `the answer is ${type}` })
  const rate = Number(/rate=(\d{4,6})\b/.exec(type)?.[1] ?? usualRate)
  return wantsPcm
    ? { body: new RawBody('audio/pcm', bytes), usage }
    : { body: new RawBody('audio/wav', toWav(bytes, rate)), usage }
}
