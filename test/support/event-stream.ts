import { crc32 } from 'node:zlib'

/** Writes AWS's event stream, for upstreams that speak it. https://smithy.io/2.0/aws/amazon-eventstream.html */
export function eventStreamFrame(headers: Readonly<Record<string, string>>, payload: string | Uint8Array): Buffer {
  const head = Buffer.concat(
    Object.entries(headers).map(([name, value]) => {
      const size = Buffer.alloc(2)
      size.writeUInt16BE(Buffer.byteLength(value))
      return Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(7), size, Buffer.from(value)])
    }),
  )
  return rawFrame(head, Buffer.from(payload))
}

/** With headers as they are. */
export function rawFrame(headers: Uint8Array, payload: Uint8Array): Buffer {
  const frame = Buffer.concat([Buffer.alloc(12), headers, payload, Buffer.alloc(4)])
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(headers.length, 4)
  return sealed(frame)
}

/** Both checksums made right, whatever the lengths say. */
export function sealed(frame: Buffer): Buffer {
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  frame.writeUInt32BE(crc32(frame.subarray(0, -4)), frame.length - 4)
  return frame
}

const json = { ':content-type': 'application/json' }

export const eventFrame = (type: string, payload: object): Buffer =>
  eventStreamFrame({ ':event-type': type, ...json, ':message-type': 'event' }, JSON.stringify(payload))

export const exceptionFrame = (type: string, payload: object): Buffer =>
  eventStreamFrame({ ':exception-type': type, ...json, ':message-type': 'exception' }, JSON.stringify(payload))
