import type { ServerResponse } from 'node:http'
import { beginStream, done, json, type MockAnswer, type MockRequest } from './mock-openai.ts'

/**
 * What OpenAI would say on its other endpoints. Requests that it would refuse are refused: an unknown path, a wrong type,
 * a missing file. Forms are read by the platform's own parser, not by ours.
 */

const created = 1_700_000_000
export const soundBytes = Buffer.from([0x49, 0x44, 0x33, 0x00, 0xff, 0xfe, 0x0d, 0x0a, 0x00, 0x80])
export const vector = [0.1, -0.2, 3.5]
const embeddingUsage = { prompt_tokens: 2, total_tokens: 2 }
const imageUsage = { input_tokens: 9, output_tokens: 100, total_tokens: 109 }
const pixel = 'iVBORw0KGgo='

class Refusal extends Error {}

function must(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Refusal(why)
}

interface Asked {
  readonly fields: Readonly<Record<string, string | undefined>>
  readonly files: readonly { readonly name: string; readonly file: File }[]
}

type Json = Record<string, unknown>

function jsonOf({ headers, body }: MockRequest): Json {
  must(headers['content-type'] === 'application/json', `content type ${headers['content-type']}`)
  const asked: unknown = JSON.parse(body.toString('utf8'))
  must(typeof asked === 'object' && asked !== null && !Array.isArray(asked), 'the body is no object')
  must(typeof (asked as Json).model === 'string' && (asked as Json).model !== '', 'model is missing')
  return asked as Json
}

async function formOf({ headers, body }: MockRequest): Promise<Asked> {
  const type = headers['content-type'] ?? ''
  must(/^multipart\/form-data; *boundary=\S+$/.test(type), `content type ${type}`)
  must(headers['content-length'] === String(body.length), 'content-length')
  let form: FormData
  try {
    form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
  } catch (error) {
    throw new Refusal(`the form is broken: ${String(error)}`)
  }
  const fields: Record<string, string> = {}
  const files: { name: string; file: File }[] = []
  for (const [name, value] of form)
    if (typeof value === 'string') fields[name] = value
    else files.push({ name, file: value })
  must(fields.model !== undefined && fields.model !== '', 'model is missing')
  return { fields, files }
}

const event = (response: ServerResponse, body: Json): void => {
  response.write(`event: ${String(body.type)}\ndata: ${JSON.stringify(body)}\n\n`)
}

const text = (response: ServerResponse, type: string, body: string | Buffer): void => {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

const answer = (response: ServerResponse, body: Json): void => json(response, 200, JSON.stringify(body))

const floats32 = (numbers: readonly number[]): string =>
  Buffer.from(Float32Array.from(numbers).buffer).toString('base64')

function embeddings(request: MockRequest, response: ServerResponse): void {
  const { model, input, encoding_format: format = 'float' } = jsonOf(request)
  must(typeof input === 'string' || Array.isArray(input), 'input is missing')
  must(format === 'float' || format === 'base64', `encoding_format ${String(format)}`)
  const many = Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1
  const data = Array.from({ length: many }, (_, index) => {
    const numbers = [...vector, index]
    return { object: 'embedding', index, embedding: format === 'base64' ? floats32(numbers) : numbers }
  })
  answer(response, { object: 'list', data, model, usage: embeddingUsage })
}

function images(request: MockRequest, response: ServerResponse): void {
  const { model, prompt, n = 1, response_format: format, stream } = jsonOf(request)
  must(typeof prompt === 'string' && prompt !== '', 'prompt is missing')
  const isNew = String(model).startsWith('gpt-image')
  must(!isNew || format === undefined, "Unknown parameter: 'response_format'.")
  if (stream === true) {
    beginStream(response)
    event(response, { type: 'image_generation.partial_image', b64_json: 'AA==', partial_image_index: 0 })
    event(response, { type: 'image_generation.completed', b64_json: pixel, usage: imageUsage })
    return void response.end()
  }
  const one = isNew || format === 'b64_json' ? { b64_json: pixel } : { url: 'https://img.example/1.png' }
  answer(response, { created, data: Array.from({ length: Number(n) }, () => one), ...(isNew && { usage: imageUsage }) })
}

const pictures =
  (needsPrompt: boolean): MockAnswer =>
  async (request, response) => {
    const { fields, files } = await formOf(request)
    const images = files.filter(({ name }) => name === 'image' || name === 'image[]')
    must(images.length > 0, 'image is missing')
    for (const { file } of images) must(file.type === 'image/png' && file.size > 0, `a picture of type ${file.type}`)
    must(!needsPrompt || Boolean(fields.prompt), 'prompt is missing')
    answer(response, { created, data: images.map(({ file }) => ({ url: `https://img.example/${file.name}` })) })
  }

const words = 'Hello there'
const segments = [{ id: 0, start: 0, end: 1.5, text: words }]
const transcripts: Readonly<Record<string, (response: ServerResponse) => void>> = {
  json: response => answer(response, { text: words, usage: { type: 'duration', seconds: 2 } }),
  text: response => text(response, 'text/plain; charset=utf-8', `${words}\n`),
  srt: response => text(response, 'text/plain; charset=utf-8', `1\n00:00:00,000 --> 00:00:01,500\n${words}\n\n`),
  vtt: response => text(response, 'text/vtt; charset=utf-8', `WEBVTT\n\n00:00.000 --> 00:01.500\n${words}\n\n`),
  verbose_json: response =>
    answer(response, { task: 'transcribe', language: 'english', duration: 2, text: words, segments }),
  diarized_json: response =>
    answer(response, { task: 'transcribe', text: words, segments: [{ ...segments[0], speaker: 'A' }] }),
}

const hear =
  (mayStream: boolean): MockAnswer =>
  async (request, response) => {
    const { fields, files } = await formOf(request)
    must(files.length === 1 && files[0].name === 'file', 'file is missing')
    const [{ file }] = files
    must(file.name === 'größe "1".wav' && file.type === 'audio/wav', `a file ${file.name} of type ${file.type}`)
    must(Buffer.from(await file.arrayBuffer()).equals(soundBytes), 'the file is not what it was')
    const { response_format: format = 'json', stream } = fields
    if (mayStream && stream === 'true' && fields.model !== 'whisper-1') {
      beginStream(response)
      event(response, { type: 'transcript.text.delta', delta: 'Hello ' })
      event(response, { type: 'transcript.text.delta', delta: 'there' })
      event(response, { type: 'transcript.text.done', text: words, usage: { input_tokens: 14, output_tokens: 4 } })
      return void response.end()
    }
    must(Object.hasOwn(transcripts, format), `response_format ${format}`)
    transcripts[format](response)
  }

const types: Readonly<Record<string, string>> = { mp3: 'audio/mpeg', wav: 'audio/wav', opus: 'audio/opus' }

function speech(request: MockRequest, response: ServerResponse): void {
  const { input, voice, response_format: format = 'mp3', stream_format: stream } = jsonOf(request)
  must(typeof input === 'string' && typeof voice === 'string', 'input and voice')
  if (stream === 'sse') {
    beginStream(response)
    event(response, { type: 'speech.audio.delta', audio: soundBytes.toString('base64') })
    event(response, { type: 'speech.audio.done', usage: { input_tokens: 2, output_tokens: 9, total_tokens: 11 } })
    return void response.end()
  }
  // In pieces, without a length: as it is made.
  response.writeHead(200, { 'content-type': types[String(format)] ?? 'application/octet-stream' })
  response.write(soundBytes.subarray(0, 3))
  response.end(soundBytes.subarray(3))
}

function moderations(request: MockRequest, response: ServerResponse): void {
  const { model, input } = jsonOf(request)
  const results = (Array.isArray(input) ? input : [input]).map(text => {
    const flagged = String(text).includes('attack')
    return { flagged, categories: { violence: flagged }, category_scores: { violence: flagged ? 0.9 : 0.1 } }
  })
  answer(response, { id: 'modr-1', model, results })
}

function completions(request: MockRequest, response: ServerResponse): void {
  const { model, prompt, stream, stream_options: options } = jsonOf(request)
  must(/instruct|davinci|babbage/.test(String(model)), 'This is a chat model')
  const body = { id: 'cmpl-1', object: 'text_completion', created, model }
  const usage = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 }
  const choice = (text: string, finish: string | null, index = 0) => ({
    text,
    index,
    logprobs: null,
    finish_reason: finish,
  })
  if (stream === true) {
    beginStream(response)
    for (const choices of [[choice('one', null)], [choice(' two', 'stop')]])
      response.write(`data: ${JSON.stringify({ ...body, choices })}\n\n`)
    if ((options as Json | undefined)?.include_usage === true)
      response.write(`data: ${JSON.stringify({ ...body, choices: [], usage })}\n\n`)
    return void response.end(done)
  }
  const prompts = Array.isArray(prompt) ? prompt : [prompt]
  answer(response, { ...body, choices: prompts.map((said, index) => choice(`${String(said)}!`, 'stop', index)), usage })
}

function rerank(request: MockRequest, response: ServerResponse): void {
  const { documents, query } = jsonOf(request)
  must(Array.isArray(documents) && documents.every(document => typeof document === 'string'), 'documents are texts')
  must(typeof query === 'string', 'query is missing')
  const results = documents.map((document, index) => ({ index, relevance_score: String(document).length / 100 }))
  answer(response, { id: 'r1', results, usage: { total_tokens: 8 } })
}

const routes: Readonly<Record<string, MockAnswer>> = {
  '/v1/embeddings': embeddings,
  '/v1/images/generations': images,
  '/v1/images/edits': pictures(true),
  '/v1/images/variations': pictures(false),
  '/v1/audio/transcriptions': hear(true),
  '/v1/audio/translations': hear(false),
  '/v1/audio/speech': speech,
  '/v1/moderations': moderations,
  '/v1/completions': completions,
  '/v1/rerank': rerank,
}

const refuse = (response: ServerResponse, status: number, message: string): void =>
  json(response, status, JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }))

export const answerAllSurfaces: MockAnswer = async (request, response) => {
  const route = Object.hasOwn(routes, request.path) ? routes[request.path] : undefined
  if (route === undefined || request.method !== 'POST')
    return refuse(response, 404, `Unknown request URL: ${request.method} ${request.path}`)
  try {
    await route(request, response)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    refuse(response, 400, error.message)
  }
}
