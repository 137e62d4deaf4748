/** What both engines demand of a request head beyond its syntax. */

/** RFC 9110 §9 and PATCH. Without CONNECT: a tunnel's target has no path, and this is an origin server. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'])

export const isKnownMethod = (method: string): boolean => methods.has(method)

/** Methods whose requests announce a body, be it an empty one (RFC 9110 §8.6). */
export const announcesBody = (method: string): boolean => method === 'POST' || method === 'PUT' || method === 'PATCH'

/**
 * The target in origin form (RFC 9112 §3.2): of an absolute form what follows the authority, for `OPTIONS *` the root.
 * '' when it is none of these or holds what a URI can't.
 */
export function originForm(method: string, target: string): string {
  if (!isUriText(target)) return ''
  if (target.charCodeAt(0) === 0x2f) return target
  if (target === '*') return method === 'OPTIONS' ? '/' : ''
  const authority = authorityStart(target)
  if (authority === 0) return ''
  let end = authority
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  if (end === authority) return ''
  const path = target.slice(end)
  return path.startsWith('/') ? path : '/' + path
}

/** Visible ASCII without `#`: a fragment is never sent (RFC 9112 §3.2). */
function isUriText(target: string): boolean {
  for (let at = 0; at < target.length; at++) {
    const code = target.charCodeAt(at)
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false
  }
  return true
}

function authorityStart(target: string): number {
  const scheme = target.slice(0, 8).toLowerCase()
  if (scheme === 'https://') return 8
  return scheme.startsWith('http://') ? 7 : 0
}

/** Visible ASCII but the delimiters that would make it a second host, credentials or a path in place of a host. */
const hostCharacters = Uint8Array.from({ length: 128 }, (_, code) =>
  code > 0x20 && code < 0x7f && !'"#,/<>?@\\^`{|}'.includes(String.fromCharCode(code)) ? 1 : 0,
)

/** `host [":" port]` with nothing around it (RFC 9110 §7.2). Empty is allowed: a target without authority has none. */
export function isHost(value: string): boolean {
  for (let at = 0; at < value.length; at++) if (hostCharacters[value.charCodeAt(at)] !== 1) return false
  return true
}

/** The only expectation there is (RFC 9110 §10.1.1). */
export const isContinue = (expectation: string): boolean => expectation.toLowerCase() === '100-continue'
