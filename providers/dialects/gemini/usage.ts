import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/** `promptTokenCount` has the cached ones in it; thoughts, and what Google's tools read, are counted apart. */
export function toUsage(metadata: JsonObject): Usage {
  const reasoning = count(metadata.thoughtsTokenCount)
  const prompt = count(metadata.promptTokenCount) + count(metadata.toolUsePromptTokenCount)
  const completion = count(metadata.candidatesTokenCount) + reasoning
  return {
    ...noUsage,
    prompt,
    completion,
    total: prompt + completion,
    reasoning,
    cacheRead: count(metadata.cachedContentTokenCount),
    audioIn: ofModality(metadata.promptTokensDetails, 'AUDIO'),
    audioOut: ofModality(metadata.candidatesTokensDetails, 'AUDIO'),
    // A page of a document is counted, and billed, like an image.
    imageIn: ofModality(metadata.promptTokensDetails, 'IMAGE') + ofModality(metadata.promptTokensDetails, 'DOCUMENT'),
    imageOut: ofModality(metadata.candidatesTokensDetails, 'IMAGE'),
  }
}

/** https://ai.google.dev/api/generate-content#ModalityTokenCount */
function ofModality(details: Json | undefined, modality: string): number {
  if (!Array.isArray(details)) return 0
  let tokens = 0
  for (const entry of details) if (isObject(entry) && entry.modality === modality) tokens += count(entry.tokenCount)
  return tokens
}
