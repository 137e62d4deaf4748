import { fieldOf } from '../../../src/core/form.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { type Codec, type FormRequest, RawBody, type TargetContext } from '../../../src/core/provider.ts'
import { Refusal, text } from '../chat-request.ts'
import { transcript } from '../openai/transcriptions.ts'
import { base64Of, readSound, soundType } from '../sound.ts'
import { checkModel, failure, resultOf, runPath } from './run.ts'

/** Its newest ear takes JSON and translates, the others take nothing but the sound. */
const isTurbo = (model: string): boolean => model.endsWith('/whisper-large-v3-turbo')
const isNova = (model: string): boolean => model.includes('/nova-')

const formats = ['json', 'text', 'srt', 'vtt', 'verbose_json']

type Task = 'transcribe' | 'translate'

/** https://developers.cloudflare.com/workers-ai/models/whisper-large-v3-turbo/, …/whisper/, …/nova-3/ */
const heard = (root: (target: TargetContext) => string, task: Task): Codec<FormRequest> => ({
  relay: null,
  framing: 'sse',
  root,
  serves: model => (task === 'translate' ? isTurbo(model) : isNova(model) || model.includes('/whisper')),
  path(target) {
    const language = isNova(target.model) ? languageOf(target.request) : null
    if (language === null) return runPath(target)
    return `${runPath(target)}?${language === '' ? 'detect_language=true' : `language=${encodeURIComponent(language)}`}`
  },
  encode(request, target) {
    const refusal = new Refusal()
    checkModel(refusal, target)
    const file = readSound(request, formats, refusal)
    if (file === null) return refusal.failure!
    if (!isTurbo(target.model))
      return new RawBody(isNova(target.model) ? soundType(file) : 'application/octet-stream', file.bytes)
    const [language, prompt] = [fieldOf(request, 'language'), fieldOf(request, 'prompt')]
    return {
      audio: base64Of(file.bytes),
      task,
      ...(language && { language }),
      ...(prompt && { initial_prompt: prompt }),
    }
  },
  decode: (body, target) => transcript(isNova(target.model) ? fromNova(body) : fromWhisper(body), target),
  failure,
})

const languageOf = (request: TargetContext['request']): string =>
  request !== undefined && 'parts' in request ? fieldOf(request as FormRequest, 'language') || '' : ''

/** In the shape of OpenAI's longest answer. */
function fromWhisper(body: JsonObject): JsonObject {
  const { text: said, segments, words, transcription_info: info } = resultOf(body)
  const { language, duration } = isObject(info) ? info : {}
  return {
    ...(body.success === false && { errors: body.errors }),
    ...(typeof said === 'string' && { text: said }),
    ...(typeof language === 'string' && { language }),
    ...(typeof duration === 'number' && { duration }),
    ...(Array.isArray(segments) ? { segments } : Array.isArray(words) && { segments: cues(words) }),
  }
}

function fromNova(body: JsonObject): JsonObject {
  const { results, metadata } = resultOf(body)
  const channels = isObject(results) && Array.isArray(results.channels) ? results.channels.filter(isObject) : []
  const [first] = channels.flatMap(({ alternatives }) => (Array.isArray(alternatives) ? alternatives : []))
  const { transcript: said, words } = isObject(first) ? first : {}
  const duration = isObject(metadata) ? metadata.duration : undefined
  return {
    ...(body.success === false && { errors: body.errors }),
    ...(typeof said === 'string' && { text: said }),
    ...(typeof duration === 'number' && { duration }),
    ...(Array.isArray(words) && { segments: cues(words) }),
  }
}

/** Words of a line of subtitles. */
const mostWords = 10

function cues(words: readonly Json[]): JsonObject[] {
  const said = words
    .filter(isObject)
    .flatMap(({ word, start, end }) =>
      typeof word === 'string' && typeof start === 'number' && typeof end === 'number' ? [{ word, start, end }] : [],
    )
  const lines: JsonObject[] = []
  for (let i = 0; i < said.length; i += mostWords) {
    const line = said.slice(i, i + mostWords)
    const together = line.map(({ word }) => word.trim()).join(' ')
    lines.push({ id: lines.length, start: line[0].start, end: line.at(-1)!.end, text: text(together) })
  }
  return lines
}

export const transcriptions = (root: (target: TargetContext) => string): Codec<FormRequest> => heard(root, 'transcribe')
export const translations = (root: (target: TargetContext) => string): Codec<FormRequest> => heard(root, 'translate')
