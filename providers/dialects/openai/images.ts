import { noUsage, parseUsage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { fieldOf } from '../../../src/core/form.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, Codec, FormRequest, TargetContext } from '../../../src/core/provider.ts'
import { createdBy, inBandFailure, lacks, seconds } from './answer.ts'
import { passOn } from './events.ts'
import { failure } from './failure.ts'
import {
  changes,
  commonOf,
  encodeForm,
  encodeJson,
  type OpenAiFormSurface,
  type OpenAiJsonSurface,
  without,
} from './params.ts'

type Format = 'url' | 'b64_json'

interface Pictures {
  /** The one form the model's pictures come in: then it is not asked for, and another one is refused. null: both. */
  readonly only?: (model: string) => Format | null
  /** false: no pictures while they are made. */
  readonly streams?: false
}

/** https://platform.openai.com/docs/api-reference/images/create */
export type OpenAiImages = OpenAiJsonSurface & Pictures
/** https://platform.openai.com/docs/api-reference/images/createEdit */
export type OpenAiImageForms = OpenAiFormSurface & Pictures

export function images(options: OpenAiImages): Codec {
  const { only } = options
  return {
    ...commonOf(options),
    encode:
      only === undefined && !changes(options)
        ? null
        : (request, target) => {
            const { response_format: asked, ...rest } = request
            const made = only?.(target.model) ?? null
            if (made === null) return encodeJson(request, target, options)
            return cannotMake(asked, made) ?? encodeJson(rest, target, options)
          },
    ...answers(options),
  }
}

export function imageEdits(options: OpenAiImageForms): Codec<FormRequest> {
  const { only } = options
  return {
    ...commonOf(options),
    encode:
      only === undefined && !changes(options)
        ? null
        : (request, target) => {
            const made = only?.(target.model) ?? null
            if (made === null) return encodeForm(request, target, options)
            const parts = without(request.parts, 'response_format')
            return cannotMake(fieldOf(request, 'response_format'), made) ?? encodeForm({ parts }, target, options)
          },
    ...answers(options),
  }
}

/** https://platform.openai.com/docs/api-reference/images/createVariation */
export const imageVariations = (options: OpenAiImageForms): Codec<FormRequest> =>
  imageEdits({ ...options, streams: false })

function cannotMake(asked: unknown, made: Format): Failure | null {
  if (asked === undefined || asked === null || asked === '' || asked === made) return null
  const message = `this model's pictures come as \`${made}\` only`
  return new Failure('unsupported_parameter', { message, param: 'response_format' })
}

const answers = ({ errorCodes, streams }: (OpenAiImages | OpenAiImageForms) & Pictures) => ({
  decode,
  ...(streams !== false && { events: passOn }),
  failure: (status: number, body: JsonObject | null) => failure(status, body, errorCodes),
})

function decode(body: JsonObject, target: TargetContext): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (!Array.isArray(body.data)) return lacks(body, 'pictures')
  const data = body.data.filter(isObject)
  if (!data.some(({ url, b64_json }) => typeof url === 'string' || typeof b64_json === 'string'))
    return lacks(body, 'pictures')
  const usage = { ...(isObject(body.usage) ? parseUsage(body.usage) : noUsage), images: data.length }
  return { body: { ...body, created: seconds(body.created) || createdBy(target), data }, usage }
}
