import { type FormPart, type FormRequest, fieldOf } from '../../src/core/form.ts'
import { mimeTypeOf, type Refusal } from './chat-request.ts'

/** What translations of speech and transcripts into vendors' own formats have in common. */

/** Of OpenAI's `response_format`s. */
export const soundTypes: Readonly<Record<string, string>> = {
  mp3: 'audio/mpeg',
  opus: 'audio/opus',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/pcm',
}

/** OpenAI's own voices, which SDKs ask for by default and no other vendor has. */
export const openAiVoices: ReadonlySet<string> = new Set(
  'alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse'.split(' '),
)

/** The sound to transcribe; null: there is none, or the text is wanted in a format that can't be made. */
export function readSound(request: FormRequest, formats: readonly string[], refusal: Refusal): FormPart | null {
  const format = fieldOf(request, 'response_format') || 'json'
  if (!formats.includes(format))
    refusal.unsupported('response_format', `this model has no \`response_format\` ${format.slice(0, 64)}`)
  const file = request.parts.find(({ name, filename }) => name === 'file' && filename !== null)
  if (file === undefined) refusal.invalid('file', 'file must be a file')
  return refusal.failure === null ? (file ?? null) : null
}

export const soundType = ({ contentType, filename }: FormPart): string =>
  contentType || mimeTypeOf(filename ?? '') || 'application/octet-stream'

export const base64Of = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
