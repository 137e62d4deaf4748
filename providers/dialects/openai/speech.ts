import { noUsage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { type Answer, type Codec, RawBody, type TargetContext } from '../../../src/core/provider.ts'
import { soundTypes } from '../sound.ts'
import { inBandFailure, lacks } from './answer.ts'
import { passOn } from './events.ts'
import { failure } from './failure.ts'
import { askedOf, changes, commonOf, encodeJson, type OpenAiJsonSurface } from './params.ts'

/** https://platform.openai.com/docs/api-reference/audio/createSpeech */
export interface OpenAiSpeech extends OpenAiJsonSurface {
  /** Where the host's JSON answer has the sound, in base64. Absent: the sound is the answer. */
  readonly soundIn?: string
  /** It sends sound as events too. */
  readonly streams?: true
}

export function speech(options: OpenAiSpeech): Codec {
  const { streams, soundIn } = options
  return {
    ...commonOf(options),
    encode: changes(options) ? (request, target) => encodeJson(request, target, options) : null,
    decode: (body, target) => decode(body, target, soundIn),
    ...(streams && { events: passOn }),
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

function decode(body: JsonObject, target: TargetContext, soundIn: string | undefined): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  const inner = isObject(body.data) ? body.data : body
  const sound = soundIn === undefined ? undefined : inner[soundIn]
  if (typeof sound !== 'string' || sound === '') return lacks(body, 'sound')
  const { response_format: asked, input } = askedOf(target)
  const characters = typeof input === 'string' ? [...input].length : 0
  const format = typeof asked === 'string' && Object.hasOwn(soundTypes, asked) ? asked : 'mp3'
  return { body: new RawBody(soundTypes[format], Buffer.from(sound, 'base64')), usage: { ...noUsage, characters } }
}
