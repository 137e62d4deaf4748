import { noUsage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { type Answer, type Codec, RawBody, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { toUpstreamError } from '../error-body.ts'
import { openAiVoices, soundTypes } from '../sound.ts'

/** Speaks in place of OpenAI's. */
const ownVoice = 'Wise_Woman'
const forms = ['mp3', 'wav', 'flac', 'pcm']

const own = ['language_boost', 'pronunciation_dict', 'timber_weights', 'audio_setting', 'voice_setting'] as const
const known: ReadonlySet<string> = new Set([
  'model',
  'input',
  'voice',
  'speed',
  'response_format',
  'stream_format',
  ...own,
])

/** MiniMax's voices. https://novita.ai/docs/api-reference/model-apis-minimax-speech-02-turbo, …-minimax-speech-2.8-turbo */
export const speech = (root: (target: TargetContext) => string): Codec => ({
  relay: null,
  framing: 'sse',
  root,
  serves: model => /^minimax-speech-[\w.-]+$/.test(model),
  path: ({ model }) => `/${/^[\w.-]+$/.test(model) ? model : 'unknown'}`,
  encode(request: JsonObject, { onUnsupportedParam }) {
    const refusal = new Refusal()
    refuseOmitted(omittedParameters(request, known), onUnsupportedParam, refusal)
    const form = text(request.response_format) || 'mp3'
    if (!forms.includes(form)) refusal.unsupported('response_format', `this model speaks no ${form.slice(0, 64)}`)
    const voice = text(request.voice)
    const { language_boost, pronunciation_dict, timber_weights, audio_setting, voice_setting } = request
    const body: JsonObject = {
      text: text(request.input),
      voice_setting: {
        voice_id: voice === '' || openAiVoices.has(voice) ? ownVoice : voice,
        ...(typeof request.speed === 'number' && { speed: request.speed }),
        ...(isObject(voice_setting) && voice_setting),
      },
      audio_setting: { format: form, ...(isObject(audio_setting) && audio_setting) },
      output_format: 'hex',
    }
    if (language_boost !== undefined) body.language_boost = language_boost
    if (pronunciation_dict !== undefined) body.pronunciation_dict = pronunciation_dict
    if (timber_weights !== undefined) body.timber_weights = timber_weights
    return refusal.failure ?? body
  },
  decode,
  failure: toUpstreamError,
})

/** The sound in hexadecimal digits; newer models have it one level deeper. */
function decode(body: JsonObject, { request }: TargetContext): Answer | Failure {
  const { audio } = isObject(body.data) ? body.data : body
  const hex = text(audio)
  const { status_msg: said } = isObject(body.base_resp) ? body.base_resp : {}
  if (hex === '' || hex.length % 2 === 1 || !/^[0-9a-f]+$/i.test(hex))
    return new Failure('upstream_error', { cause: `the answer has no sound${text(said) && `: ${text(said)}`}` })
  const asked = request !== undefined && !('parts' in request) ? (request as JsonObject) : {}
  const form = text(asked.response_format) || 'mp3'
  const type = forms.includes(form) ? soundTypes[form] : soundTypes.mp3
  return {
    body: new RawBody(type, Buffer.from(hex, 'hex')),
    usage: { ...noUsage, characters: [...text(asked.input)].length },
  }
}
