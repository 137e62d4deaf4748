import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { FinishReason, TargetContext } from '../../../src/core/provider.ts'
import { finishReason, toolCall } from '../chat-answer.ts'
import { text } from '../chat-request.ts'

/** https://ai.google.dev/api/generate-content#FinishReason */
const finishReasons: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  OTHER: 'stop',
  IMAGE_OTHER: 'stop',
  NO_IMAGE: 'stop',
  FINISH_REASON_UNSPECIFIED: 'stop',
  MALFORMED_FUNCTION_CALL: 'stop',
  MALFORMED_RESPONSE: 'stop',
  UNEXPECTED_TOOL_CALL: 'stop',
  TOO_MANY_TOOL_CALLS: 'stop',
  MISSING_THOUGHT_SIGNATURE: 'stop',
}

/** '' for a candidate that has not ended. A stop with calls is for their sake; a filter's verdict is not. */
export function toFinishReason(reason: Json | undefined, calls: number): string {
  const known = finishReason(finishReasons, text(reason))
  return known === 'stop' && calls > 0 ? 'tool_calls' : known
}

/** What the parts of one candidate, or of one event of it, say. */
export interface Said {
  text: string
  reasoning: string
  readonly calls: JsonObject[]
  /** Pictures the model drew, as data URLs. */
  readonly images: JsonObject[]
  /** Of the text, or of the answer as a whole; '' = none. */
  signature: string
}

/** `before`: calls of this candidate that came in earlier events. */
export function readSaid(candidate: JsonObject, index: number, before: number, target: TargetContext): Said {
  const said: Said = { text: '', reasoning: '', calls: [], images: [], signature: '' }
  const { content } = candidate
  const parts = isObject(content) && Array.isArray(content.parts) ? content.parts.filter(isObject) : []
  for (const part of parts) {
    const signature = text(part.thoughtSignature)
    if (isObject(part.functionCall)) {
      const place = before + said.calls.length
      said.calls.push(readCall(part.functionCall, signature, `${index}_${place}`, target))
      continue
    }
    if (signature !== '') said.signature = signature
    if (part.thought === true) said.reasoning += text(part.text)
    else said.text += text(part.text)
    if (isObject(part.inlineData) && part.thought !== true) said.images.push(picture(part.inlineData))
  }
  return said
}

function readCall(called: JsonObject, signature: string, place: string, { requestId }: TargetContext): JsonObject {
  // Ids of ours are unlike those of other answers in the same conversation, and within OpenAI's 40 characters.
  const id = text(called.id) || `call_${(requestId ?? '').slice(0, 24)}_${place}`
  const call = toolCall(id, text(called.name), JSON.stringify(called.args ?? {}))
  return signature === '' ? call : { ...call, extra_content: signed(signature) }
}

/** Where Google's own OpenAI-compatible endpoint puts it. */
export const signed = (signature: string): JsonObject => ({ google: { thought_signature: signature } })

const picture = ({ mimeType, data }: JsonObject): JsonObject => ({
  type: 'image_url',
  image_url: { url: `data:${text(mimeType)};base64,${text(data)}` },
})

/** What goes along with the text, in a message or in a delta. */
export function fill(message: JsonObject, { reasoning, images, signature }: Said): void {
  if (reasoning !== '') message.reasoning_content = reasoning
  if (images.length > 0) message.images = images
  if (signature !== '') message.extra_content = signed(signature)
}

/** Why the prompt got no answer; '' = it was not blocked. */
export function blockReason({ promptFeedback }: JsonObject): string {
  if (!isObject(promptFeedback) || text(promptFeedback.blockReason) === '') return ''
  return text(promptFeedback.blockReasonMessage) || `The prompt was blocked: ${text(promptFeedback.blockReason)}`
}

/** OpenAI's `logprobs` of a choice. */
export function toLogprobs(result: Json | undefined): JsonObject | null {
  if (!isObject(result) || !Array.isArray(result.chosenCandidates)) return null
  const top = Array.isArray(result.topCandidates) ? result.topCandidates : []
  const content = result.chosenCandidates.filter(isObject).map((chosen, i) => {
    const others = top[i]
    const candidates = isObject(others) && Array.isArray(others.candidates) ? others.candidates : []
    return { ...token(chosen), top_logprobs: candidates.filter(isObject).map(token) }
  })
  return { content, refusal: null }
}

const token = ({ token, logProbability }: JsonObject): JsonObject => ({
  token: text(token),
  logprob: typeof logProbability === 'number' ? logProbability : 0,
  bytes: [...Buffer.from(text(token))],
})

/** Sources that the answer is grounded in, as OpenAI's annotations. Segments are in bytes of UTF-8, annotations in UTF-16 units. */
export function annotations(metadata: Json | undefined, said: string): JsonObject[] {
  if (!isObject(metadata) || !Array.isArray(metadata.groundingChunks)) return []
  const sources = metadata.groundingChunks
  const supports = Array.isArray(metadata.groundingSupports) ? metadata.groundingSupports.filter(isObject) : []
  const bytes = Buffer.from(said)
  const unit = (at: Json | undefined): number => (typeof at === 'number' ? bytes.subarray(0, at).toString().length : 0)
  return supports.flatMap(({ segment, groundingChunkIndices }) => {
    const { startIndex, endIndex } = isObject(segment) ? segment : {}
    const places = Array.isArray(groundingChunkIndices) ? groundingChunkIndices : []
    return places.flatMap(place => {
      const source = sources[Number(place)]
      const web = isObject(source) ? source.web : undefined
      if (!isObject(web) || text(web.uri) === '') return []
      const span = { start_index: unit(startIndex), end_index: unit(endIndex) }
      return [{ type: 'url_citation', url_citation: { url: text(web.uri), title: text(web.title), ...span } }]
    })
  })
}
