/** What is wrong with a message, by name. Each one ends the connection: nothing after it can be framed with certainty. */
export const wireErrors = {
  head_too_large: 'the head is longer than the limit',
  too_many_fields: 'the head has more field lines than the limit',
  bad_request_line: 'the request line is malformed',
  bad_status_line: 'the status line is malformed',
  bad_version: 'the HTTP version is not 1.0 or 1.1',
  bad_field_name: 'a field name is empty or has characters other than token characters',
  bad_field_value: 'a field value holds a control character',
  folded_field: 'a field line is folded (obs-fold)',
  bare_cr: 'a carriage return without a line feed',
  bare_lf: 'a line feed without a carriage return',
  bad_length: 'Content-Length is not a number',
  length_too_big: 'Content-Length is beyond 2^53 - 1',
  repeated_length: 'there is more than one Content-Length',
  length_with_coding: 'both Content-Length and Transfer-Encoding are present',
  coding_in_http10: 'Transfer-Encoding in an HTTP/1.0 message',
  bad_coding: 'Transfer-Encoding is repeated or malformed',
  unknown_coding: 'the transfer coding is not chunked',
  bad_chunk_size: 'a chunk size is not a hexadecimal number',
  chunk_too_big: 'a chunk size is beyond 2^53 - 1',
  bad_chunk_extension: 'a chunk extension is malformed',
  chunk_extensions_too_long: 'the chunk extensions are longer than the limit',
  bad_chunk_end: 'chunk data is not followed by CRLF',
  bad_trailer: 'a trailer field is malformed',
  trailers_too_long: 'the trailer section is longer than the limit',
} satisfies Record<string, string>

export type WireError = keyof typeof wireErrors
