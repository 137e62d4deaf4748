import type { Surface } from '../core/surface.ts'
import { readForm } from './form-call.ts'
import { readJson, refuse } from './json-call.ts'

/** OpenAI's limit is the file's: 25 MiB. The form around it needs some room. */
const maxBodyBytes = 26 << 20

/** https://platform.openai.com/docs/api-reference/audio/createTranscription */
export const transcriptions: Surface = {
  id: 'transcriptions',
  methods: ['POST'],
  path: '/v1/audio/transcriptions',
  streams: 'events',
  hasByteAnswers: true,
  maxBodyBytes,
  read: (body, { contentType }) => readForm(body, contentType, { files: ['file'], fields: [], mayStream: true }),
}

/** https://platform.openai.com/docs/api-reference/audio/createTranslation */
export const translations: Surface = {
  id: 'translations',
  methods: ['POST'],
  path: '/v1/audio/translations',
  streams: null,
  hasByteAnswers: true,
  maxBodyBytes,
  read: (body, { contentType }) => readForm(body, contentType, { files: ['file'], fields: [] }),
}

/** In code points. */
const longestInput = 4096

/** https://platform.openai.com/docs/api-reference/audio/createSpeech */
export const speech: Surface = {
  id: 'speech',
  methods: ['POST'],
  path: '/v1/audio/speech',
  streams: 'events',
  hasByteAnswers: true,
  read: body =>
    readJson(body, {
      required: ['input', 'voice'],
      stream: value => value('stream_format') === 'sse',
      measure(value) {
        const input = value('input')
        return { characters: typeof input === 'string' ? [...input].length : 0 }
      },
      check(value) {
        const input = value('input')
        if (typeof input !== 'string' || input === '') return refuse('input', 'input must be a text')
        // What is far too long is not taken apart to be counted.
        return input.length > 2 * longestInput || (input.length > longestInput && [...input].length > longestInput)
          ? refuse('input', `input must not be longer than ${longestInput} characters`)
          : null
      },
    }),
}
