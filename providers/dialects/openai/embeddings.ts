import { parseUsage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, Codec, TargetContext } from '../../../src/core/provider.ts'
import { inBandFailure, lacks } from './answer.ts'
import { failure, name } from './failure.ts'
import { askedOf, changes, commonOf, encodeJson, type OpenAiJsonSurface } from './params.ts'

/** https://platform.openai.com/docs/api-reference/embeddings */
export interface OpenAiEmbeddings extends OpenAiJsonSurface {
  /** The host knows no `encoding_format`, or not `base64`: it is not asked, and the numbers are encoded here. */
  readonly floatsOnly?: true
}

export function embeddings(options: OpenAiEmbeddings): Codec {
  const { relay } = options
  return {
    ...commonOf(options),
    encode:
      relay === 'verbatim' && !changes(options)
        ? null
        : (request, target) => {
            if (options.floatsOnly !== true) return encodeJson(request, target, options)
            const { encoding_format: _format, ...rest } = request
            return encodeJson(rest, target, options)
          },
    decode,
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

function decode(body: JsonObject, target: TargetContext): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (!Array.isArray(body.data)) return lacks(body, 'embeddings')
  const asked = askedOf(target)
  const isFloat = isFloats(asked.output_dtype) && isFloats(asked.embedding_type)
  const wanted = !isFloat ? 'as it came' : asked.encoding_format === 'base64' ? 'base64' : 'floats'
  const data = body.data.filter(isObject).map((item, place) => ({
    ...item,
    object: 'embedding',
    index: typeof item.index === 'number' ? item.index : place,
    embedding: inFormat(item.embedding, wanted),
  }))
  const read = parseUsage(isObject(body.usage) ? body.usage : {})
  // Nothing is completed: hosts that give one number mean the input.
  const usage = { ...read, prompt: read.prompt || read.total }
  return {
    body: {
      ...body,
      object: 'list',
      data: data.sort((a, b) => a.index - b.index),
      model: name(body.model) || target.model,
      usage: { ...(isObject(body.usage) && body.usage), prompt_tokens: usage.prompt, total_tokens: usage.total },
    },
    usage,
  }
}

/** Some hosts offer vectors of bytes or bits, under names of their own; those are not ours to convert. */
const isFloats = (type: Json | undefined): boolean => type === undefined || type === null || type === 'float'

function inFormat(value: Json | undefined, wanted: 'as it came' | 'base64' | 'floats'): Json {
  if (wanted === 'floats' && typeof value === 'string') return decodeFloats(value)
  if (wanted === 'base64' && Array.isArray(value) && value.every(number => typeof number === 'number'))
    return encodeFloats(value)
  return value ?? null
}

/** Little-endian 32-bit floats, as OpenAI's clients read them. */
function encodeFloats(numbers: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(numbers.length * 4)
  for (const [place, number] of numbers.entries()) bytes.writeFloatLE(number, place * 4)
  return bytes.toString('base64')
}

function decodeFloats(text: string): number[] {
  const bytes = Buffer.from(text, 'base64')
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, place) => shortest(bytes.readFloatLE(place * 4)))
}

/** A 32-bit float as few digits as tell it from its neighbours: 0.1, not 0.10000000149011612. */
function shortest(float: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(float.toPrecision(digits))
    if (Math.fround(short) === float) return short
  }
  return float
}
