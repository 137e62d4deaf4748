import type { WireError } from './errors.ts'
import type { Fields } from './fields.ts'

/** `Transfer-Encoding: chunked`. */
export const CHUNKED = -1
/** Neither a length nor a coding: no body in a request, a body until close in a response. */
export const UNDECLARED = -2

/**
 * How long the body of a message is (RFC 9112 §6): a length, `CHUNKED`, `UNDECLARED`, or the name of what makes it
 * uncertain. Two framings in one head are never resolved by guessing which one the other side meant.
 */
export function readFraming(fields: Fields, minor: 0 | 1): number | WireError {
  const coding = fields.find('transfer-encoding', 0)
  const length = fields.find('content-length', 0)
  if (coding >= 0) {
    if (length >= 0) return 'length_with_coding'
    if (minor === 0) return 'coding_in_http10'
    return fields.find('transfer-encoding', coding + 1) >= 0 ? 'bad_coding' : readCoding(fields.valueAt(coding))
  }
  if (length < 0) return UNDECLARED
  if (fields.find('content-length', length + 1) >= 0) return 'repeated_length'
  const value = fields.numberAt(length)
  if (value < 0) return isList(fields.valueAt(length)) ? 'repeated_length' : 'bad_length'
  return value === Number.POSITIVE_INFINITY ? 'length_too_big' : value
}

function readCoding(value: string): typeof CHUNKED | WireError {
  if (value === 'chunked') return CHUNKED
  const codings = value.toLowerCase().split(',')
  if (codings.length === 1) return codings[0] === 'chunked' ? CHUNKED : 'unknown_coding'
  // `chunked, chunked`, `chunked, gzip` and `, chunked` frame nothing; `gzip, chunked` does, in a coding we don't speak.
  const names = codings.map(coding => coding.trim())
  const isKnownShape = names.every(name => name !== '') && names.indexOf('chunked') === names.length - 1
  return isKnownShape ? 'unknown_coding' : 'bad_coding'
}

const isList = (value: string): boolean => /^\d+([ \t]*,[ \t]*\d+)+$/.test(value)

/** Whether the connection may carry another message after this one (RFC 9112 §9.3). */
export function isPersistent(fields: Fields, minor: 0 | 1): boolean {
  if (fields.find('connection', 0) < 0) return minor === 1
  const value = fields.get('connection')
  if (value === 'keep-alive' || value === 'Keep-Alive') return true
  if (value === 'close') return false
  const options = value
    .toLowerCase()
    .split(',')
    .map(option => option.trim())
  if (options.includes('close')) return false
  return minor === 1 || options.includes('keep-alive')
}
