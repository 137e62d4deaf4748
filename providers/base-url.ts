/**
 * The API root that a base URL stands for. It is taken as it is, version segment included, less trailing slashes;
 * only a bare origin (`http://localhost:8000`) gets the version segment that the provider's own root ends with.
 * Throws for what can't be one, in words for whoever wrote the config.
 */
export function apiRoot(baseUrl: string, version: string): string {
  if (!URL.canParse(baseUrl))
    throw new Error(`base_url must be an absolute http or https URL, got "${withoutUserinfo(baseUrl)}"`)
  const url = new URL(baseUrl)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`base_url must start with http:// or https://, got "${url.protocol}"`)
  // A URL with an empty query or fragment (`…/v1?`) shows it only in its text.
  if (/[?#]/.test(baseUrl)) throw new Error('base_url must have neither query nor fragment')
  const path = url.pathname.replace(/\/+$/, '')
  const userinfo = url.username === '' ? '' : `${url.username}${url.password && `:${url.password}`}@`
  return `${url.protocol}//${userinfo}${url.host}${path === '' ? version : path}`
}

const withoutUserinfo = (text: string): string => text.replace(/[^/]*@/, '***@')

/** The version segment that a root has in its path (`/v1` of `https://api.example/v1/openai`); '' without. */
export const versionOf = (root: string): string => /.*(\/v\d[a-z0-9]*)(?=\/|$)/.exec(root)?.[1] ?? ''

/** Whether the text, escaped, is one segment of a path and leads nowhere else. */
export const isPathSegment = (text: string): boolean =>
  text.trim() !== '' && text !== '.' && text !== '..' && !/[/\\]/.test(text)

/** A setting as one segment of a path, escaped. Throws for what would lead elsewhere. */
export function pathSegment(key: string, value: string): string {
  if (!isPathSegment(value)) throw new Error(`${key} must be a single path segment`)
  return encodeURIComponent(value)
}
