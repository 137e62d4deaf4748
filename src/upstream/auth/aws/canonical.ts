/**
 * The path and query of a request as Signature Version 4 wants them.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */

/** `/model/a%3A0/invoke?x=1` → the canonical URI and the canonical query, a line each. */
export function canonicalTarget(path: string): string {
  const mark = path.indexOf('?')
  return mark < 0
    ? `${canonicalPath(path)}\n`
    : `${canonicalPath(path.slice(0, mark))}\n${canonicalQuery(path.slice(mark + 1))}`
}

/** Without empty and dot segments, then encoded once more than it already is on the wire. */
function canonicalPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(encode(segment))
  }
  return `/${kept.join('/')}${kept.length > 0 && path.endsWith('/') ? '/' : ''}`
}

/** Names and values encoded exactly once, however they stand on the wire; in order of names, then values. */
function canonicalQuery(query: string): string {
  const pairs: [name: string, value: string][] = []
  for (const part of query.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)]
    pairs.push([encodeOnce(name), encodeOnce(value)])
  }
  pairs.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** RFC 3986: all but the unreserved characters, as UTF-8. */
const encode = (text: string): string => text.replace(/[^A-Za-z0-9\-._~]+/g, percent)

/** What is encoded already stays so, in one spelling; a stray `%` stands for itself. */
const encodeOnce = (text: string): string =>
  text.replace(/%[0-9A-Fa-f]{2}|%|[^A-Za-z0-9\-._~%]+/g, part => {
    if (part.length !== 3 || part[0] !== '%') return percent(part)
    const character = String.fromCharCode(Number.parseInt(part.slice(1), 16))
    return /[A-Za-z0-9\-._~]/.test(character) ? character : part.toUpperCase()
  })

/** Half a surrogate pair becomes U+FFFD: encoding must not fail. */
const percent = (part: string): string =>
  Buffer.from(part)
    .toString('hex')
    .replace(/../g, octet => `%${octet.toUpperCase()}`)
