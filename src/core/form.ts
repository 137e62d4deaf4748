import { createHash } from 'node:crypto'
import { Failure } from './failures.ts'

/**
 * A `multipart/form-data` request, as codecs see it: its parts in the order they came.
 * RFC 7578; https://platform.openai.com/docs/api-reference/audio/createTranscription
 */
export interface FormRequest {
  readonly parts: readonly FormPart[]
}

export interface FormPart {
  readonly name: string
  /** null: a plain field. */
  readonly filename: string | null
  /** '' when the part does not say. */
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** A part and where its bytes lie in the body. */
export interface FormRange extends FormPart {
  readonly start: number
  readonly end: number
}

const mostParts = 256
const longestPartHead = 8192

const refuse = (message: string): Failure => new Failure('invalid_request', { message })

/** The boundary that a content type names (RFC 2046 §5.1.1), or null. */
export function formBoundary(contentType: string): string | null {
  const { value, parameters } = readValue(contentType)
  const boundary = value === 'multipart/form-data' ? (parameters?.get('boundary') ?? '') : ''
  return /^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary) ? boundary : null
}

interface Value {
  /** Lower case. */
  readonly value: string
  /** By name in lower case; null when they are malformed, or one is given twice: readers would differ. */
  readonly parameters: ReadonlyMap<string, string> | null
}

const parameterForm = /\s*;\s*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y

/** A header's value and its parameters (RFC 9110 §5.6.6). */
function readValue(text: string): Value {
  const end = text.indexOf(';')
  const value = (end < 0 ? text : text.slice(0, end)).trim().toLowerCase()
  const parameters = new Map<string, string>()
  const stop = text.trimEnd().replace(/;$/, '').length
  for (let at = end; at >= 0 && at < stop; at = parameterForm.lastIndex) {
    parameterForm.lastIndex = at
    const [found, name = '', quoted, plain = ''] = parameterForm.exec(text) ?? []
    if (found === undefined || parameters.has(name.toLowerCase())) return { value, parameters: null }
    // Browsers write a quote as %22, others as \".
    parameters.set(name.toLowerCase(), quoted === undefined ? plain : quoted.replaceAll(/\\(["\\])/g, '$1'))
  }
  return { value, parameters }
}

/** Every part of the form, or what is wrong with it. The parts' bytes are views of `body`. */
export function parseForm(body: Uint8Array, contentType: string): FormRange[] | Failure {
  const boundary = formBoundary(contentType)
  if (boundary === null) return refuse('the content type must be multipart/form-data with a boundary')
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  // The first delimiter may stand at the very beginning, without its line break.
  let at = bytes.subarray(0, delimiter.length - 2).equals(delimiter.subarray(2))
    ? delimiter.length - 2
    : behind(bytes.indexOf(delimiter), delimiter.length)
  const parts: FormRange[] = []
  for (;;) {
    if (at < 0) return refuse('invalid multipart form: the boundary was not found')
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return parts
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) return refuse('invalid multipart form: a broken boundary line')
    if (parts.length === mostParts) return refuse(`invalid multipart form: more than ${mostParts} parts`)
    const headEnd = bytes.indexOf('\r\n\r\n', at)
    if (headEnd < 0 || headEnd - at > longestPartHead) return refuse('invalid multipart form: a part without a head')
    const head = partHead(bytes.toString('utf8', at + 2, Math.max(at + 2, headEnd)))
    if (head === null) return refuse('invalid multipart form: a part without a name')
    const start = headEnd + 4
    // An empty part's delimiter begins with the line break that ends its head.
    const end = bytes.indexOf(delimiter, start - 2)
    if (end < 0) return refuse('invalid multipart form: the last boundary is missing')
    parts.push({ ...head, bytes: bytes.subarray(start, Math.max(start, end)), start, end: Math.max(start, end) })
    at = end + delimiter.length
  }
}

const behind = (found: number, length: number): number => (found < 0 ? -1 : found + length)

/** null: a part without a name, or one that readers would not agree about. */
function partHead(text: string): Pick<FormPart, 'name' | 'filename' | 'contentType'> | null {
  let named: Value['parameters'] | undefined
  let contentType = ''
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    const field = line.slice(0, Math.max(0, colon)).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (field === 'content-type') contentType = value
    else if (field === 'content-disposition') {
      const read = readValue(value)
      named = named === undefined && read.value === 'form-data' ? read.parameters : null
    }
  }
  const name = named?.get('name')
  if (named === undefined || named === null || name === undefined || named.has('name*')) return null
  return { name, filename: named.get('filename') ?? decoded(named.get('filename*')), contentType }
}

/** `utf-8''gr%C3%B6%C3%9Fe.wav` (RFC 8187), as some libraries name files that ASCII can't. */
function decoded(text: string | undefined): string | null {
  if (text === undefined) return null
  const encoded = text.slice(text.lastIndexOf("'") + 1)
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded // a file all the same; its name means nothing to us
  }
}

/** The text of a plain field, or undefined. */
export function fieldOf({ parts }: FormRequest, name: string): string | undefined {
  const part = parts.find(part => part.name === name && part.filename === null)
  return part && Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength).toString('utf8')
}

const quoted = (text: string): string => text.replaceAll(/[\r\n"]/g, character => encodeURIComponent(character))

/** The form as bytes; `seed` makes the boundary, which occurs in no part. */
export function writeForm(parts: readonly FormPart[], seed: string): { contentType: string; bytes: Uint8Array } {
  const usual = `ferrite-${seed}`
  const boundary = parts.some(({ bytes }) => viewOf(bytes).includes(usual)) ? unguessed(parts) : usual
  const pieces: Uint8Array[] = []
  for (const { name, filename, contentType, bytes } of parts) {
    const file = filename === null ? '' : `; filename="${quoted(filename)}"`
    const type = contentType === '' ? '' : `content-type: ${contentType.replaceAll(/[\r\n]/g, '')}\r\n`
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${quoted(name)}"${file}\r\n${type}\r\n`
    pieces.push(Buffer.from(head), bytes, Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return { contentType: `multipart/form-data; boundary=${boundary}`, bytes: Buffer.concat(pieces) }
}

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Of the parts' own digest, which none of them can hold: whoever sent the usual one may know many others too. */
function unguessed(parts: readonly FormPart[]): string {
  const hash = createHash('sha256')
  for (const { bytes } of parts) hash.update(bytes)
  return `ferrite-${hash.digest('hex').slice(0, 48)}`
}

/** A part that is a plain field. */
export const field = (name: string, text: string): FormPart => ({
  name,
  filename: null,
  contentType: '',
  bytes: Buffer.from(text),
})

/** The form's fields, in memory of their own; of its files only that they were there. */
export const withoutFiles = ({ parts }: FormRequest): FormRequest => ({
  parts: parts.map(part => ({ ...part, bytes: part.filename === null ? Buffer.from(part.bytes) : Buffer.alloc(0) })),
})

/** The form with one more plain field, before its first part. It was read before: its boundary is there. */
export function withField(body: Uint8Array, contentType: string, name: string, text: string): Uint8Array {
  const delimiter = `--${formBoundary(contentType)}`
  const first = Buffer.from(body.buffer, body.byteOffset, body.byteLength).indexOf(delimiter, 0, 'latin1')
  const part = `${delimiter}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`
  return Buffer.concat([body.subarray(0, first), Buffer.from(part), body.subarray(first)])
}
