import { Failure } from '../core/failures.ts'
import type { Codec, RoundTrip, TargetContext } from '../core/provider.ts'
import { framings } from '../upstream/framing/index.ts'
import type { ResponseHeaders } from '../upstream/upstream.ts'
import type { CompiledTarget } from './compile.ts'
import type { Exchange } from './exchange.ts'
import { forwardedHeaders } from './forwarded.ts'
import type { AnswerHead, Flow, Reply } from './reply.ts'
import { BytesRelay, contentTypeLine, isJsonType } from './reply-bytes.ts'
import { EventRelay } from './reply-events.ts'
import { JsonRelay, Translation } from './reply-json.ts'
import { StreamRelay, StreamTranslation } from './reply-stream.ts'

/** What is asked, and of whom, when the head of a good answer comes. */
export interface Awaited extends Flow {
  readonly exchange: Exchange
  readonly target: CompiledTarget
  readonly codec: Codec<never>
  readonly context: TargetContext
  /** The round trip that is answered, when it is not the first. */
  readonly trip: RoundTrip | null
  /** A stream should come. */
  readonly awaitsStream: boolean
  /** `stream_options.include_usage`; null: not said. */
  readonly usageWish: boolean | null
}

/** Who reads the answer, by what was asked for and what its head says has come. */
export function openReply(awaited: Awaited, headers: ResponseHeaders): Reply | Failure {
  const { exchange, target, codec, trip } = awaited
  const type = headers.get('content-type')
  const forwarded = forwardedHeaders(headers)
  // Endpoints with typed events may ignore the wish: OpenAI does, for models that can't stream.
  if (awaited.awaitsStream && (exchange.surface!.streams === 'chunks' || isStream(codec, type)))
    return openStream(awaited, type, forwarded)
  const head: AnswerHead = { fixed: target.jsonHeaders, forwarded, contentLength: headers.contentLength }
  if (codec.relay === 'verbatim' && trip === null && (type === '' || isJsonType(type)))
    return new JsonRelay(exchange, head, awaited)
  return openOther(awaited, type, head)
}

/** An answer that is written anew, or is not JSON. */
function openOther(awaited: Awaited, type: string, head: AnswerHead): Reply | Failure {
  const { exchange, target, codec, context, trip } = awaited
  const surface = exchange.surface!
  const isVerbatim = codec.relay === 'verbatim' && trip === null
  const isBytes = type !== '' && !isJsonType(type)
  // A proxy's page is no answer, whatever its status says.
  if (isBytes && /^text\/html\b/i.test(type)) return new Failure('upstream_error', { cause: 'the answer is a page' })
  const bytesHead: AnswerHead = { ...head, fixed: target.plainHeaders }
  const decodeBytes = trip?.decodeBytes ?? (codec.decodeBytes && ((body, context) => codec.decodeBytes!(body, context)))
  if (isBytes && surface.hasByteAnswers && (decodeBytes === undefined || isVerbatim))
    return new BytesRelay(exchange, { ...bytesHead, forwarded: head.forwarded + contentTypeLine(type) }, awaited)
  if (isVerbatim) return new JsonRelay(exchange, head, awaited)
  const decode = trip?.decode ?? ((body, context) => codec.decode(body, context))
  return new Translation({
    exchange,
    codec: { decode, decodeBytes },
    context,
    head,
    bytesHead,
    contentType: isBytes && decodeBytes !== undefined ? type : '',
  })
}

const isStream = (codec: Codec<never>, type: string): boolean =>
  framings[codec.framing]!.types.some(expected => type.toLowerCase().startsWith(expected))

function openStream(awaited: Awaited, type: string, forwarded: string): Reply | Failure {
  const { exchange, target, codec, context, trip } = awaited
  if (!isStream(codec, type)) {
    const expected = framings[codec.framing]!.types[0]
    return new Failure('upstream_error', {
      cause: `asked for a stream of ${expected}, got ${type || 'no content type'}`,
    })
  }
  const head: AnswerHead = { fixed: target.eventHeaders, forwarded, contentLength: -1 }
  if (exchange.surface!.streams !== 'chunks') return new EventRelay(exchange, codec, context, head, awaited)
  const { streamUsage } = exchange.snapshot.data.compatibility
  const wish = awaited.usageWish
  const withholdUsage = streamUsage === 'always' ? wish === false : wish !== true
  if (codec.relay === 'verbatim' && trip === null) return new StreamRelay(exchange, head, awaited, withholdUsage)
  const spoken = trip?.events === undefined ? codec : { ...codec, events: trip.events }
  return new StreamTranslation(exchange, spoken, context, head, awaited, withholdUsage)
}
