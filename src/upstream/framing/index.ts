import type { Failure } from '../../core/failures.ts'
import type { Codec, StreamEvent } from '../../core/provider.ts'
import { AwsEventStreamParser } from './aws-event-stream.ts'
import { JsonLinesParser } from './json-lines.ts'
import { SseParser } from './sse.ts'

/** Cuts a stream into events, however its bytes were split. */
export interface FrameParser {
  /** Tells every event that ends in `chunk`. A failure is final. */
  push(chunk: Uint8Array): Failure | null
  /** The stream is over: the event that lacks its end, a failure if that can't be one, or null. */
  end(): StreamEvent | Failure | null
}

export interface Framing {
  /** Content types of such streams, in lower case. */
  readonly types: readonly string[]
  /** `maxBytes`: of one event. */
  create(limits: { readonly maxBytes: number }, onEvent: (event: StreamEvent) => void): FrameParser
}

export const framings: Readonly<Partial<Record<Codec['framing'], Framing>>> = {
  sse: { types: ['text/event-stream'], create: (limits, onEvent) => new SseParser(limits, onEvent) },
  'json-lines': {
    types: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
    create: (limits, onEvent) => new JsonLinesParser(limits, onEvent),
  },
  'aws-event-stream': {
    types: ['application/vnd.amazon.eventstream'],
    create: (limits, onEvent) => new AwsEventStreamParser(limits, onEvent),
  },
}
