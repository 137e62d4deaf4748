import type { Provider } from '../core/provider.ts'

const marker = '[REDACTED:GATEWAY_CREDENTIAL]'
/** Shorter values could be ordinary words, which no answer should lose. */
const shortest = 8

/** Takes what a target was authorised with out of a text, in every form in which an upstream may repeat it. */
export type Scrub = (text: string) => string

export function credentialScrub(secrets: Iterable<string>): Scrub {
  const needles = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < shortest) continue
    needles.add(secret)
    needles.add(encodeURIComponent(Buffer.from(secret).toString()))
    needles.add(JSON.stringify(secret).slice(1, -1))
    needles.add(Buffer.from(secret).toString('base64'))
  }
  // The longest first, so that one inside another does not tear it.
  const ordered = [...needles].sort((a, b) => b.length - a.length)
  return text =>
    ordered.reduce((rest, needle) => (rest.includes(needle) ? rest.replaceAll(needle, marker) : rest), text)
}

/** The secret settings of a target, and what the header lines of one request carry (`authorization: Bearer …`). */
export function* secretsOf(
  { settings }: Provider,
  values: Readonly<Record<string, string>>,
  lines: string,
): Generator<string> {
  for (const [name, { secret }] of Object.entries(settings)) if (secret === true) yield values[name] ?? ''
  for (const line of lines.split('\r\n')) {
    const value = line.slice(line.indexOf(':') + 1).trim()
    if (/^(?:authorization|x-amz-security-token|api-key|x-[a-z-]*key):/i.test(line))
      yield value.replace(/^[a-z]+\s+/i, '')
  }
}
