import { amount, noUsage, parseUsage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { fieldOf } from '../../../src/core/form.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import {
  type Answer,
  type Codec,
  type EventDecoder,
  type FormRequest,
  RawBody,
  type TargetContext,
  type Usage,
} from '../../../src/core/provider.ts'
import { inBandFailure, lacks } from './answer.ts'
import { failure } from './failure.ts'
import { changes, commonOf, encodeForm, type OpenAiFormSurface, withField } from './params.ts'
import { type Segment, subtitles } from './subtitles.ts'

/** https://platform.openai.com/docs/api-reference/audio/createTranscription */
export interface OpenAiTranscriptions extends OpenAiFormSurface {
  /** What the host takes as `response_format`; what it does not is made from those, as far as it can be. Absent: all. */
  readonly formats?: readonly string[]
  /** Absent: no streams. */
  readonly events?: () => EventDecoder
}

export function transcriptions(options: OpenAiTranscriptions): Codec<FormRequest> {
  const { formats, events } = options
  return {
    ...commonOf(options),
    // An answer that is brought to a format has to know which one was asked for.
    encode:
      options.relay === 'verbatim' && !changes(options)
        ? null
        : (request, target) => {
            const source = formats === undefined ? null : sourceOf(formatOf(request), formats)
            if (source instanceof Failure) return source
            const parts = source === null ? request.parts : withField(request.parts, 'response_format', source)
            return encodeForm({ parts }, target, options)
          },
    decode: transcript,
    ...(events !== undefined && { events }),
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

const formatOf = (request: FormRequest): string => fieldOf(request, 'response_format') || 'json'

/** From what each of these can be made: text needs the words, subtitles the times too. */
const sources: Readonly<Record<string, string>> = { text: 'json', srt: 'verbose_json', vtt: 'verbose_json' }

/** The format to ask for, when it is not the one that the client named. */
function sourceOf(format: string, formats: readonly string[]): string | null | Failure {
  if (formats.includes(format)) return null
  const source = Object.hasOwn(sources, format) ? sources[format] : ''
  if (formats.includes(source)) return source
  const message = `the provider of this model has no \`response_format\` ${format.slice(0, 64)}`
  return new Failure('unsupported_parameter', { message, param: 'response_format' })
}

const plainText = 'text/plain; charset=utf-8'

/** In the format that was asked for; also for hosts that answer in JSON whatever they are asked. */
export function transcript(body: JsonObject, target: TargetContext): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (typeof body.text !== 'string') return lacks(body, 'text')
  const usage = usageOf(body)
  const format = target.request === undefined ? 'json' : formatOf(target.request as FormRequest)
  if (format === 'text') return { body: new RawBody(plainText, Buffer.from(`${body.text}\n`)), usage }
  if (format !== 'srt' && format !== 'vtt') return { body, usage }
  const segments = segmentsOf(body)
  if (segments === null) return lacks({}, 'times to make subtitles from')
  return {
    body: new RawBody(
      format === 'vtt' ? 'text/vtt; charset=utf-8' : plainText,
      Buffer.from(subtitles(segments, format)),
    ),
    usage,
  }
}

/** By tokens or by time; the longest form says the time beside its usage. */
function usageOf({ usage, duration }: JsonObject): Usage {
  const read = isObject(usage) ? parseUsage(usage) : noUsage
  return read.seconds === 0 ? { ...read, seconds: amount(duration) } : read
}

function segmentsOf({ segments }: JsonObject): readonly Segment[] | null {
  if (!Array.isArray(segments)) return null
  const read = segments.filter(isObject).flatMap(({ start, end, text }) => {
    return typeof start === 'number' && typeof end === 'number' && typeof text === 'string'
      ? [{ start, end, text }]
      : []
  })
  return read.length === segments.length ? read : null
}
