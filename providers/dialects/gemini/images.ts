import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { type Again, type Answer, again, type Codec, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { pictureUsage, sumUsage } from '../picture-usage.ts'
import { blockReason } from './candidate.ts'
import { toUpstreamError } from './error.ts'
import { type GeminiHost, methodPath } from './host.ts'
import { toUsage } from './usage.ts'

/** One of the two ways in which Google draws: Imagen's predictions, and Gemini's answers with pictures in them. */
interface Drawing {
  readonly method: string
  /** Most pictures of one call; more are asked for in further ones. */
  readonly most: (model: string) => number
  readonly ratios: Readonly<Record<string, string>>
  body(prompt: string, n: number, ratio: string, request: JsonObject): JsonObject
  read(body: JsonObject): Drawn
}

interface Drawn {
  readonly pictures: readonly Picture[]
  /** Why there are none. */
  readonly reason: string
  readonly usage: Usage
}

interface Picture {
  readonly base64: string
  readonly mimeType: string
}

export const isImagen = (model: string): boolean => /(?:^|\/)imagen-/.test(model)

export function images(host: GeminiHost): Codec {
  const drawingOf = (model: string): Drawing => (isImagen(model) ? imagen : generated)
  const path = (model: string): string => methodPath(host, model, drawingOf(model).method)

  const collect =
    (before: Drawn, answered: number) =>
    (body: JsonObject, target: TargetContext): Answer | Again | Failure => {
      const asked = read(target)
      if (asked instanceof Failure) return asked
      const { model } = target
      const drawing = drawingOf(model)
      const drawn = drawing.read(body)
      const all = {
        pictures: [...before.pictures, ...drawn.pictures],
        reason: drawn.reason || before.reason,
        usage: sumUsage(before.usage, drawn.usage),
      }
      const done = answered + drawing.most(model)
      // Further calls after a refusal would only be refused as well.
      if (done < asked.n && drawn.pictures.length > 0) {
        const next = Math.min(asked.n - done, drawing.most(model))
        return again({
          to: path(model),
          body: drawing.body(asked.prompt, next, asked.ratio, asked.request),
          decode: collect(all, done),
        })
      }
      return all.pictures.length > 0 ? answer(all, target) : refused(all.reason)
    }

  const read = ({ request, model }: TargetContext): Asked | Failure =>
    isObject(request) ? readAsked(request as JsonObject, drawingOf(model)) : new Failure('internal_error')

  return {
    relay: null,
    framing: 'sse',
    params: { n: 'translate', size: 'translate', response_format: 'translate', ...unsupported },
    path: ({ model }) => path(model),
    encode(request, { model, stream, onUnsupportedParam }) {
      const refusal = new Refusal()
      if (host.path(model) === null) refusal.invalid('model', 'model must be a name, not a path')
      if (stream) refusal.unsupported('stream', 'this model draws whole pictures only: `stream` is not supported')
      const drawing = drawingOf(model)
      const asked = readAsked(request, drawing)
      if (asked instanceof Failure) return asked
      refuseOmitted(omittedParameters(request, known), onUnsupportedParam, refusal)
      return (
        refusal.failure ??
        drawing.body(asked.prompt, Math.min(asked.n, drawing.most(model)), asked.ratio, asked.request)
      )
    },
    decode: collect({ pictures: [], reason: '', usage: noUsage }, 0),
    failure: toUpstreamError,
  }
}

const known: ReadonlySet<string> = new Set([
  'model',
  'prompt',
  'n',
  'size',
  'response_format',
  'output_format',
  'stream',
])

const unsupported = {
  quality: 'unsupported',
  style: 'unsupported',
  background: 'unsupported',
  moderation: 'unsupported',
  output_compression: 'unsupported',
  user: 'unsupported',
} as const

interface Asked {
  readonly prompt: string
  readonly n: number
  /** '' leaves it to the model. */
  readonly ratio: string
  readonly request: JsonObject
}

/** What OpenAI allows. */
const mostPictures = 10

function readAsked(request: JsonObject, { ratios }: Drawing): Asked | Failure {
  const invalid = (param: string, message: string): Failure => new Failure('invalid_request', { message, param })
  const { n, size, prompt, response_format, output_format } = request
  if (typeof prompt !== 'string' || prompt === '') return invalid('prompt', 'prompt must be a text')
  const wanted = n === undefined || n === null ? 1 : n
  if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 1 || wanted > mostPictures)
    return invalid('n', `n must be a whole number from 1 to ${mostPictures}`)
  if (response_format !== undefined && response_format !== null && response_format !== 'b64_json')
    return unable('response_format', 'this model gives pictures as b64_json only')
  if (output_format !== undefined && output_format !== null && output_format !== 'png' && output_format !== 'jpeg')
    return unable('output_format', 'this model gives pictures as png or jpeg only')
  const given = size === undefined || size === null || size === 'auto' ? '' : text(size)
  const ratio = Object.hasOwn(ratios, given) ? ratios[given] : ''
  if (given !== '' ? ratio === '' : size !== undefined && size !== null && size !== 'auto')
    return unable('size', `size must be auto or one of ${Object.keys(ratios).join(', ')}`)
  return { prompt, n: wanted, ratio, request }
}

/** Another provider may be able to. */
const unable = (param: string, message: string): Failure => new Failure('unsupported_parameter', { message, param })

/** Sizes that OpenAI's clients ask for. */
const square = { '256x256': '1:1', '512x512': '1:1', '1024x1024': '1:1' }

/** https://ai.google.dev/gemini-api/docs/imagen, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
const imagen: Drawing = {
  method: 'predict',
  most: model => (model.includes('ultra') ? 1 : 4),
  // It knows five ratios; the nearest of them.
  ratios: {
    ...square,
    '1792x1024': '16:9',
    '1536x1024': '16:9',
    '1024x1792': '9:16',
    '1024x1536': '9:16',
    '1408x1024': '4:3',
    '1024x1408': '3:4',
  },
  body: (prompt, n, ratio, { output_format }) => ({
    instances: [{ prompt }],
    parameters: {
      sampleCount: n,
      ...(ratio !== '' && { aspectRatio: ratio }),
      ...(typeof output_format === 'string' && { outputOptions: { mimeType: `image/${output_format}` } }),
    },
  }),
  read({ predictions }) {
    const all = Array.isArray(predictions) ? predictions.filter(isObject) : []
    return {
      pictures: all
        .map(one => ({ base64: text(one.bytesBase64Encoded), mimeType: text(one.mimeType) }))
        .filter(({ base64 }) => base64 !== ''),
      reason: all.map(({ raiFilteredReason }) => text(raiFilteredReason)).find(Boolean) ?? '',
      usage: noUsage,
    }
  },
}

/** https://ai.google.dev/gemini-api/docs/image-generation */
const generated: Drawing = {
  method: 'generateContent',
  most: () => 1,
  ratios: {
    ...square,
    '1792x1024': '16:9',
    '1536x1024': '3:2',
    '1024x1792': '9:16',
    '1024x1536': '2:3',
    '1408x1024': '4:3',
    '1024x1408': '3:4',
  },
  body: (prompt, _n, ratio) => ({
    contents: [{ role: 'user', parts: [{ text: prompt }] }],
    generationConfig: {
      responseModalities: ['TEXT', 'IMAGE'],
      ...(ratio !== '' && { imageConfig: { aspectRatio: ratio } }),
    },
  }),
  read(body) {
    const candidates = Array.isArray(body.candidates) ? body.candidates.filter(isObject) : []
    const parts = candidates.flatMap(({ content }) =>
      isObject(content) && Array.isArray(content.parts) ? content.parts.filter(isObject) : [],
    )
    const pictures = parts
      // Drafts are thoughts.
      .filter(({ thought }) => thought !== true)
      .flatMap(({ inlineData }) => (isObject(inlineData) ? [inlineData] : []))
      .map(({ data, mimeType }) => ({ base64: text(data), mimeType: text(mimeType) }))
      .filter(({ base64, mimeType }) => base64 !== '' && mimeType.startsWith('image/'))
    const said = parts.map(part => text(part.text)).join('')
    const finish = candidates.map(({ finishReason, finishMessage }) => text(finishMessage) || text(finishReason))
    return {
      pictures: pictures.slice(0, 1),
      reason: blockReason(body) || said || finish.find(Boolean) || '',
      usage: toUsage(isObject(body.usageMetadata) ? body.usageMetadata : {}),
    }
  },
}

function answer({ pictures, usage }: Drawn, { nowMs = 0 }: TargetContext): Answer {
  const format = /^image\/(png|jpeg|webp)$/.exec(pictures[0].mimeType)?.[1]
  return {
    body: {
      created: Math.floor(nowMs / 1000),
      data: pictures.map(({ base64 }) => ({ b64_json: base64 })),
      ...(format !== undefined && { output_format: format }),
      ...pictureUsage(usage),
    },
    usage: { ...usage, images: pictures.length },
  }
}

/** Nothing was drawn. A filter's verdict is about the prompt, which no other try would change. */
const refused = (reason: string): Failure =>
  reason === ''
    ? new Failure('upstream_error', { cause: 'the answer has no picture' })
    : new Failure('upstream_rejected', { message: 'the provider drew nothing for this prompt', cause: reason })
