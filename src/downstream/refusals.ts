import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { errorEnvelope, Failure, type FailureKind, failures } from '../core/failures.ts'

const encoder = new TextEncoder()
const bodies = new Map<FailureKind, Uint8Array>()

/** The envelope of a failure that happened before anyone knew whose request it is. */
export function refusalBody(kind: FailureKind): Uint8Array {
  let body = bodies.get(kind)
  if (body === undefined) {
    body = encoder.encode(errorEnvelope(new Failure(kind)))
    bodies.set(kind, body)
  }
  return body
}

/** The header block that goes with it, in the form `Reply` takes. */
export function refusalHeaders(kind: FailureKind): Uint8Array {
  const retry = failures[kind].status === 503 ? 'retry-after: 1\r\n' : ''
  return encoder.encode(
    `x-request-id: ${randomBytes(16).toString('hex')}\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n${retry}`,
  )
}

/** `200 OK`. */
export const statusText: readonly string[] = Array.from(
  { length: 1000 },
  (_, status) => `${status} ${STATUS_CODES[status] ?? 'Status'}`,
)

/** Answers that end with their head (RFC 9110 §6.4.1). */
export const isBodiless = (status: number): boolean => status === 204 || status === 304
