import { noUsage, type Usage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import type { Answer, TargetContext } from '../../src/core/provider.ts'
import { count } from './chat-answer.ts'
import type { Refusal } from './chat-request.ts'

/**
 * What every translation of OpenAI's embeddings into a native wire format has in common.
 * https://platform.openai.com/docs/api-reference/embeddings/create
 */

/** Parameters that the translation itself reads. */
export const embeddingParams = ['model', 'input', 'encoding_format'] as const

/** Of one request, as OpenAI has it: they may take many calls. */
const mostTexts = 2048

/** The texts to embed. Tokens are of OpenAI's vocabulary, and nothing to anybody else. */
export function readTexts(input: Json | undefined, refusal: Refusal): string[] {
  const texts = typeof input === 'string' ? [input] : Array.isArray(input) ? input : []
  if (texts.some(one => typeof one === 'number' || Array.isArray(one)))
    refusal.unsupported(
      'input',
      'this model takes texts only, no tokens: input must be a string or an array of strings',
    )
  else if (texts.length === 0 || !texts.every(one => typeof one === 'string'))
    refusal.invalid('input', 'input must be a string or an array of strings')
  else if (texts.length > mostTexts) refusal.invalid('input', `input must not have more than ${mostTexts} texts`)
  return texts.filter(one => typeof one === 'string')
}

/** Those of a request that was read before. */
export function textsOf({ request }: TargetContext): string[] {
  const input = isObject(request) ? request.input : undefined
  const texts = Array.isArray(input) ? input : [input]
  return texts.filter(one => typeof one === 'string')
}

/** How many vectors the client waits for; 0 = unknown. */
export function textCount({ request }: TargetContext): number {
  const input = isObject(request) ? request.input : undefined
  return typeof input === 'string' ? 1 : Array.isArray(input) ? input.length : 0
}

/** A failure for what is no list of vectors, one for each text that was sent. */
export function readVectors(value: Json | undefined, expected: number): number[][] | Failure {
  const isList = Array.isArray(value) && value.every(isVector)
  if (!isList) return new Failure('upstream_error', { cause: 'the answer has no vectors' })
  if (value.length !== expected && expected > 0)
    return new Failure('upstream_error', { cause: `${value.length} vectors came for ${expected} texts` })
  return value as number[][]
}

const isVector = (value: Json): boolean => Array.isArray(value) && value.every(one => typeof one === 'number')

export const inputUsage = (tokens: Json | undefined): Usage => ({
  ...noUsage,
  prompt: count(tokens),
  total: count(tokens),
})

/** The client's list, its vectors as numbers or, as OpenAI's own libraries ask for, base64 of 32-bit floats. */
export function embeddingList(
  vectors: readonly number[][],
  usage: Usage,
  { model, request }: TargetContext,
): Answer<JsonObject> {
  const isBase64 = isObject(request) && request.encoding_format === 'base64'
  const data = vectors.map((vector, index): JsonObject => {
    return { object: 'embedding', index, embedding: isBase64 ? toBase64(vector) : vector }
  })
  return {
    body: { object: 'list', data, model, usage: { prompt_tokens: usage.prompt, total_tokens: usage.total } },
    usage,
  }
}

/** Little-endian, whatever the machine is. */
function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4)
  let at = 0
  for (const value of vector) at = bytes.writeFloatLE(Math.fround(value), at)
  return bytes.toString('base64')
}
