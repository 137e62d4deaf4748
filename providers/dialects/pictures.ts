import { noUsage, type Usage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import {
  type Again,
  type Answer,
  again,
  type Codec,
  type FormRequest,
  type RawBody,
  type TargetContext,
} from '../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from './chat-request.ts'
import { toUpstreamError } from './error-body.ts'
import { toSize } from './image-size.ts'
import { pictureUsage, sumUsage } from './picture-usage.ts'

/**
 * Pictures of vendors whose calls draw one at a time, from a prompt and, for edits, from pictures. OpenAI's `n` becomes
 * as many calls, one after the other.
 */
export interface Drawing extends Partial<Pick<Codec, 'root' | 'serves' | 'accept' | 'failure' | 'headers'>> {
  path(target: TargetContext): string
  /** What is wrong with the model's name, if it becomes part of a path. */
  check?(refusal: Refusal, target: TargetContext): void
  /** How its pictures come: as base64, unless their addresses are all there is. */
  readonly gives?: 'b64_json' | 'url'
  /** Most pictures of a request. */
  readonly most?: number
  /** Parameters of the vendor's that ride along. */
  readonly own?: readonly string[]
  /** What becomes of OpenAI's `size`; absent: `width` and `height`. */
  size?(size: Json | undefined, refusal: Refusal, model: string): JsonObject
  /** `options`: size and the vendor's own parameters. `pictures`: data URLs, at least one for an edit. */
  body(asked: Asked, target: TargetContext): JsonObject
  /** A JSON answer: what it drew, or null when it drew nothing. Absent: answers are pictures. */
  read?(body: JsonObject): Drawn | null
}

export interface Asked {
  readonly prompt: string
  readonly options: JsonObject
  readonly pictures: readonly string[]
  readonly request: JsonObject
}

export interface Drawn {
  /** Each as base64, with or without the head of a data URL, or its address. */
  readonly pictures: readonly string[]
  readonly usage?: Usage
}

/** What OpenAI allows. */
const mostPictures = 10
const common = ['model', 'prompt', 'n', 'size', 'response_format', 'stream']

export function drawnPictures(drawing: Drawing): Codec {
  const collect = (before: Required<Drawn>) => {
    const add = (drawn: Drawn | null, target: TargetContext): Answer | Again | Failure => {
      if (drawn === null || drawn.pictures.length === 0) return nothing
      const all = {
        pictures: [...before.pictures, ...drawn.pictures],
        usage: sumUsage(before.usage, drawn.usage ?? noUsage),
      }
      const request = isObject(target.request) ? (target.request as JsonObject) : {}
      if (all.pictures.length >= wanted(request)) return pictureAnswer(all, target)
      const body = drawing.body(read(drawing, further(request, all.pictures.length), [], new Refusal(), target), target)
      return again({ to: drawing.path(target), body, ...collect(all) })
    }
    return {
      decode: (body: JsonObject, target: TargetContext) => {
        const drawn = drawing.read?.(body) ?? null
        return drawn === null || drawn.pictures.length === 0 ? nothingIn(body) : add(drawn, target)
      },
      decodeBytes: (body: RawBody, target: TargetContext) => {
        const base64 = pictureIn(body)
        return base64 === null ? notA(body) : add({ pictures: [base64] }, target)
      },
    }
  }
  return {
    ...codecOf(drawing),
    encode(request: JsonObject, target) {
      const refusal = new Refusal()
      const body = drawing.body(read(drawing, request, [], refusal, target), target)
      return refusal.failure ?? body
    },
    ...collect({ pictures: [], usage: noUsage }),
  }
}

/** Each call draws one picture from those of the form. */
export function drawnEdits(drawing: Drawing): Codec<FormRequest> {
  return {
    ...codecOf(drawing),
    encode({ parts }: FormRequest, target) {
      const refusal = new Refusal()
      const request: JsonObject = {}
      const pictures: string[] = []
      for (const { name, filename, contentType, bytes } of parts) {
        const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        if (filename === null) request[name] = fieldValue(name, raw.toString('utf8'))
        else if (name === 'image' || name === 'image[]')
          pictures.push(`data:${contentType || 'image/png'};base64,${raw.toString('base64')}`)
        else refusal.unsupported(name, `this model takes no \`${name}\``)
      }
      if (pictures.length === 0) refusal.invalid('image', 'image must be a file')
      if (wanted(request) > 1) refusal.unsupported('n', 'this model makes one picture of an edit: n must be 1')
      const body = drawing.body(read(drawing, request, pictures, refusal, target), target)
      return refusal.failure ?? body
    },
    decode(body, target) {
      const drawn = drawing.read?.(body) ?? null
      if (drawn === null || drawn.pictures.length === 0) return nothingIn(body)
      return pictureAnswer(drawn, target)
    },
    decodeBytes(body, target) {
      const base64 = pictureIn(body)
      return base64 === null ? notA(body) : pictureAnswer({ pictures: [base64] }, target)
    },
  }
}

/** Fields of forms are texts; vendors want numbers where they mean numbers. */
function fieldValue(name: string, said: string): Json {
  if (name === 'prompt' || name === 'negative_prompt' || name === 'model') return said
  if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(said)) return Number(said)
  return said === 'true' || said === 'false' ? said === 'true' : said
}

const codecOf = ({ root, serves, accept, headers, path, failure = toUpstreamError }: Drawing) => ({
  relay: null,
  framing: 'sse' as const,
  ...(root !== undefined && { root }),
  ...(serves !== undefined && { serves }),
  ...(accept !== undefined && { accept }),
  ...(headers !== undefined && { headers }),
  path,
  failure,
})

/** The request once more: the same seed would draw the same picture. */
const further = (request: JsonObject, drawn: number): JsonObject =>
  typeof request.seed === 'number' ? { ...request, seed: request.seed + drawn } : request

function wanted({ n }: JsonObject): number {
  return typeof n === 'number' && Number.isInteger(n) && n >= 1 && n <= mostPictures ? n : 1
}

function read(
  drawing: Drawing,
  request: JsonObject,
  pictures: readonly string[],
  refusal: Refusal,
  target: TargetContext,
): Asked {
  const { n, response_format: format } = request
  const own = drawing.own ?? []
  const known: ReadonlySet<string> = new Set([...common, ...own])
  drawing.check?.(refusal, target)
  refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
  if (text(request.prompt) === '') refusal.invalid('prompt', 'prompt must be a text')
  if (n !== undefined && n !== null && wanted(request) !== n)
    refusal.invalid('n', `n must be a whole number from 1 to ${mostPictures}`)
  if (wanted(request) > (drawing.most ?? mostPictures))
    refusal.unsupported('n', `this model draws ${drawing.most} a request: n must not be more`)
  const gives = drawing.gives ?? 'b64_json'
  if (format !== undefined && format !== null && format !== gives) refusal.unsupported('response_format', only[gives])
  if (request.stream === true || request.stream === 'true')
    refusal.unsupported('stream', 'this model does not stream its pictures')
  const options: JsonObject = {}
  for (const name of own) if (request[name] !== undefined && request[name] !== null) options[name] = request[name]
  const size = drawing.size?.(request.size, refusal, target.model) ?? toSize(request.size, refusal)
  return { prompt: text(request.prompt), options: { ...size, ...options }, pictures, request }
}

const only = {
  b64_json: 'this model gives pictures, no addresses: response_format must be b64_json',
  url: 'this model gives addresses of pictures: response_format must be url',
} as const

const nothing = new Failure('upstream_error', { cause: 'the answer has no picture' })

const nothingIn = (body: JsonObject): Failure => {
  const { message } = toUpstreamError(200, body)
  return message.startsWith('the upstream provider answered')
    ? nothing
    : new Failure('upstream_error', { cause: message })
}

const notA = ({ contentType }: RawBody): Failure =>
  new Failure('upstream_error', { cause: `the answer is ${contentType}, no picture` })

function pictureIn({ contentType, bytes }: RawBody): string | null {
  if (!contentType.toLowerCase().startsWith('image/') || bytes.length === 0) return null
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

export function pictureAnswer({ pictures, usage = noUsage }: Drawn, { nowMs = 0 }: TargetContext): Answer<JsonObject> {
  const data = pictures.map(
    (one): JsonObject => (/^https?:/.test(one) ? { url: one } : { b64_json: one.replace(/^data:[^,]{0,100},/, '') }),
  )
  return {
    body: { created: Math.floor(nowMs / 1000), data, ...pictureUsage(usage) },
    usage: { ...usage, images: data.length },
  }
}
