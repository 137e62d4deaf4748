import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import type { Answer, TargetContext } from '../../src/core/provider.ts'
import { text } from './chat-request.ts'

/** What translations of OpenAI's embeddings have in common. https://platform.openai.com/docs/api-reference/embeddings */

/** The texts to embed. Lists of token numbers mean something to the vocabulary of one vendor only. */
export function readInputs(input: Json | undefined): readonly string[] | Failure {
  const inputs = Array.isArray(input) ? input : [input]
  if (inputs.length === 0) return invalid('input must not be empty')
  if (inputs.every(one => typeof one === 'string')) return inputs
  if (inputs.every(one => typeof one === 'number' || (Array.isArray(one) && one.every(it => typeof it === 'number'))))
    return new Failure('unsupported_parameter', { message: 'this model takes texts, not tokens', param: 'input' })
  return invalid('input must be a text or a list of texts')
}

const invalid = (message: string): Failure => new Failure('invalid_request', { message, param: 'input' })

/** null: not a vector of numbers. */
export function readVector(value: Json | undefined): readonly number[] | null {
  if (!Array.isArray(value) || value.length === 0) return null
  return value.every(one => typeof one === 'number') ? value : null
}

/** In the encoding that the client asked for. `promptTokens` 0: the upstream doesn't say. */
export function embeddingsAnswer(
  vectors: readonly (readonly number[])[],
  promptTokens: number,
  target: TargetContext,
): Answer<JsonObject> {
  const asked = isObject(target.request) ? text(target.request.encoding_format as Json | undefined) : ''
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: asked === 'base64' ? toBase64(vector) : [...vector],
  }))
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens }
  return {
    body: { object: 'list', data, model: target.model, usage },
    usage: { ...noUsage, prompt: promptTokens, total: promptTokens },
  }
}

/** 32-bit floats, little-endian, which is what OpenAI's clients ask for unless told otherwise. */
export function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4)
  return bytes.toString('base64')
}
