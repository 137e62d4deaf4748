import fs from 'node:fs'
import { Socket } from 'node:net'

/**
 * Takes all bytes, then calls back once: with null, or with an error and the bytes that are still to be written.
 * Never called again before it has called back.
 */
export type Sink = (bytes: Buffer, done: (error: NodeJS.ErrnoException | null, rest: Buffer) => void) => void

/**
 * Pipes and sockets are written when they have room, by readiness: a blocking write would hold a thread of the pool
 * until somebody reads, and the process could not even exit. Files and terminals take a write each.
 */
export function openSink(fd: number): Sink {
  const kind = fs.fstatSync(fd)
  if (kind.isFIFO()) return streamSink(new Socket({ fd: ownDescription(fd), readable: false, writable: true }))
  // A second handle on one descriptor would confuse the event loop, and `process.stdout` may be in use.
  if (kind.isSocket())
    return streamSink(fd === 1 ? process.stdout : new Socket({ fd, readable: false, writable: true }))
  return fileSink(fd)
}

/** Worth another try: the disk may get room, the reader may come back. */
export const isTemporary = (error: NodeJS.ErrnoException): boolean => temporary.has(error.code ?? '')

const temporary = new Set(['EAGAIN', 'EINTR', 'ENOSPC', 'EDQUOT', 'EIO'])

/** The same pipe opened once more, so that non-blocking mode does not reach other processes that write to it. */
function ownDescription(fd: number): number {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
  } catch {
    return fd // no /proc, or the pipe belongs to another user: then the mode is shared
  }
}

function streamSink(stream: NodeJS.WriteStream | Socket): Sink {
  // The write's own callback has the error; without a listener it would end the process.
  stream.on('error', () => {})
  return (bytes, done) => {
    stream.write(bytes, error => done(error ?? null, bytes))
  }
}

const fileSink =
  (fd: number): Sink =>
  (bytes, done) => {
    const write = (from: number): void => {
      fs.write(fd, bytes, from, bytes.length - from, null, (error, written) => {
        if (error !== null) done(error, bytes.subarray(from))
        else if (from + written < bytes.length) write(from + written)
        else done(null, bytes.subarray(bytes.length))
      })
    }
    write(0)
  }
