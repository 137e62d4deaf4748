/** Responses, good and bad, as an upstream might send them. `close`: it closes after the last byte. */
export interface CorpusEntry {
  readonly name: string
  readonly bytes: Buffer
  readonly close: boolean
  readonly method: string
  /** Where undici, asked the same, sees it differently, and why that is all right. */
  readonly difference?: string
}

const head = 'HTTP/1.1 200 OK\r\n'
const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`

function entry(
  name: string,
  text: string,
  options: { close?: boolean; method?: string; difference?: string } = {},
): CorpusEntry {
  const { close = false, method = 'GET', difference } = options
  return { name, bytes: Buffer.from(text, 'latin1'), close, method, difference }
}

export const corpus: readonly CorpusEntry[] = [
  // Good.
  entry('a body with a length', `${head}Content-Length: 5\r\n\r\nhello`),
  entry('an empty body', `${head}Content-Length: 0\r\n\r\n`),
  entry('a status without a reason', 'HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno'),
  entry('a reason with high bytes', 'HTTP/1.1 200 Caf\xe9\r\nContent-Length: 2\r\n\r\nok'),
  entry('many headers', `${head}${'X-A: b\r\n'.repeat(30)}content-length: 2\r\n\r\nok`),
  entry('chunks', `${chunked}5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n`),
  entry('chunks with extensions', `${chunked}5;a=b\r\nhello\r\n0;c\r\n\r\n`),
  entry('chunks with trailers', `${chunked}5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n`),
  entry('upper-case chunk sizes', `${chunked}A\r\n0123456789\r\n0\r\n\r\n`),
  entry('padded chunk sizes', `${chunked}0005\r\nhello\r\n000\r\n\r\n`),
  entry(
    'events',
    `${head}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: {}\n\r\n1\r\n\n\r\n0\r\n\r\n`,
  ),
  entry('a body until close', `${head}\r\nuntil close`, { close: true }),
  entry('HTTP/1.0 with a length', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', { close: true }),
  entry('HTTP/1.0 until close', 'HTTP/1.0 200 OK\r\n\r\nold', { close: true }),
  entry('204', 'HTTP/1.1 204 No Content\r\n\r\n'),
  entry('304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', {
    difference: 'misses a body that RFC 9112 §6.3 says there is none of',
  }),
  entry('the answer to HEAD', `${head}Content-Length: 5\r\n\r\n`, { method: 'HEAD' }),
  entry(
    'interim answers',
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${head}Content-Length: 2\r\n\r\nok`,
  ),
  entry('100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${head}Content-Length: 2\r\n\r\nok`, {
    difference: 'refuses a 100 that it did not ask for; RFC 9110 §15.2 has clients ignore it',
  }),
  entry('Connection: close', `${head}Connection: close\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('an error status', 'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy'),

  // Cut off.
  entry('nothing', '', { close: true }),
  entry('half a status line', 'HTTP/1.1 20', { close: true }),
  entry('half a head', `${head}Content-Le`, { close: true }),
  entry('half a body', `${head}Content-Length: 10\r\n\r\nhello`, { close: true }),
  entry('half a chunk', `${chunked}5\r\nhel`, { close: true }),
  entry('no last chunk', `${chunked}5\r\nhello\r\n`, { close: true }),
  entry('half a last chunk', `${chunked}5\r\nhello\r\n0\r\n\r`, { close: true }),

  // Malformed.
  entry('garbage', '\x16\x03\x01garbage\r\n\r\n', { close: true }),
  entry('two lengths', `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`, { close: true }),
  entry('a length and a coding', `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, {
    close: true,
  }),
  entry('a negative length', `${head}Content-Length: -2\r\n\r\nok`, { close: true }),
  entry('a huge length', `${head}Content-Length: 99999999999999999999\r\n\r\nok`, { close: true }),
  entry('a space before the colon', `${head}A : b\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('a NUL in a value', `${head}A: b\0c\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('a header without a colon', `${head}nonsense\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('an invalid chunk size', `${chunked}5\r\nhello\r\nxyz\r\n`, { close: true }),
  entry('a chunk longer than its size', `${chunked}3\r\nhello\r\n0\r\n\r\n`, { close: true }),
  entry('a bare LF after a chunk size', `${chunked}5\nhello\r\n0\r\n\r\n`, { close: true }),
  entry('a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', { close: true }),
  entry('an unknown version', 'HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\nok', { close: true }),
  entry('a protocol switch', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', {
    close: true,
  }),
  entry('a folded header', `${head}A: b\r\n c\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('a repeated equal length', `${head}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('an unknown transfer coding', `${head}Transfer-Encoding: gzip\r\n\r\nok`, {
    close: true,
    difference: 'takes it for a body until close, as RFC 9112 §6.3 allows; we can’t decode it',
  }),
  entry('two transfer codings', `${head}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, {
    close: true,
    difference: 'decodes the chunks and passes the inner coding on unmentioned',
  }),
  entry('chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', {
    close: true,
    difference: 'reads the chunks; RFC 9112 §6.1 calls such a framing faulty',
  }),
  entry('a bare LF after the status line', 'HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok', { close: true }),
  entry('a bare LF after a header', `${head}Content-Length: 2\n\r\nok`, { close: true }),
  entry('bare LFs only', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', { close: true }),
  entry('an empty line before the status line', `\r\n${head}Content-Length: 2\r\n\r\nok`, {
    close: true,
    difference: 'skips it; RFC 9112 §2.2 allows that only in front of a request line',
  }),
  entry('a missing space after the status', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok'),
  entry('a space after a chunk size', `${chunked}5 \r\nhello\r\n0\r\n\r\n`, { close: true }),
  entry('a status above 599', 'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok', {
    close: true,
    difference: 'passes it on; RFC 9110 §15 calls it invalid',
  }),
  entry('a DEL in a value', `${head}A: b\x7fc\r\nContent-Length: 2\r\n\r\nok`, { close: true }),
  entry('a malformed trailer', `${chunked}2\r\nok\r\n0\r\nno colon\r\n\r\n`, { close: true }),

  // Too much.
  entry('bytes after the end', `${head}Content-Length: 2\r\n\r\nokay`, { close: true }),
  entry('two answers', `${head}Content-Length: 2\r\n\r\nok${head}Content-Length: 2\r\n\r\nno`, { close: true }),
  entry('a body after 204', 'HTTP/1.1 204 No Content\r\n\r\nbody', { close: true }),
]
