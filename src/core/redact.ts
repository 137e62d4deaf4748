/**
 * Keeps credentials and e-mail addresses out of everything that leaves: logs, records, error messages, spans.
 * First by value (what the gateway itself was configured with), then by shape (what looks like a credential).
 *
 * Every pattern runs in linear time: a quantifier is either bounded, or what follows it is optional, so that a match
 * consumes what was scanned and no text is scanned twice.
 */
export type Redactor = (text: string) => string

export interface Secret {
  /** Shown in place of the value; '' shows `[REDACTED_SECRET]`. */
  readonly name: string
  /** Ignored when `isSecretValue` says it could be an ordinary word. Of a URL with a password only the password is hidden. */
  readonly value: string
}

export interface RedactorOptions {
  readonly secrets: readonly Secret[]
  /** Longer text is cut, with a marker. */
  readonly maxChars?: number
}

export function createRedactor({ secrets, maxChars = 64 * 1024 }: RedactorOptions): Redactor {
  const { known, replacements, longest } = compileSecrets(secrets)
  // What straddles the cut would escape its pattern, so the end of a cut text goes with the rest.
  const margin = Math.max(512, longest)

  const redact: Redactor = text => {
    let result = text
    if (known !== null) result = result.replace(known, found => replacements.get(found) ?? '[REDACTED_SECRET]')
    if (!suspicious.test(result)) return result
    for (const [, pattern, replacement] of shapes) result = result.replace(pattern, replacement as string)
    return result
  }
  return text => {
    if (text.length <= maxChars) return redact(text)
    const cut = redact(text.slice(0, maxChars))
    return `${cut.slice(0, Math.max(0, Math.min(cut.length, maxChars) - margin))}…[cut, ${text.length} characters]`
  }
}

/** Headers for a log or an error: credentials by the name of their header, everything else through `redact`. */
export function redactHeaders(headers: Iterable<readonly [string, string]>, redact: Redactor): [string, string][] {
  return Array.from(headers, ([name, value]) => [name, isSecretName(name) ? '[REDACTED]' : redact(value)])
}

/** The variables of an environment whose values must never leave. */
export function environmentSecrets(environment: Readonly<Record<string, string | undefined>>): Secret[] {
  const secrets: Secret[] = []
  for (const [name, value = ''] of Object.entries(environment)) {
    if (isSecretName(name) && isSecretValue(value)) secrets.push({ name, value })
  }
  return secrets
}

const secretWords = new Set(
  'key keys apikey token secret password passwd credential credentials dsn authorization cookie signature'.split(' '),
)

/** A name that says its value is a credential: `OPENAI_API_KEY`, `x-goog-api-key`, `Authorization`. */
export const isSecretName = (name: string): boolean =>
  name
    .toLowerCase()
    .split(/[^a-z0-9]/)
    .some(word => secretWords.has(word))

/** Long enough, and of one piece: replacing it cannot blank an ordinary word. */
export const isSecretValue = (value: string): boolean =>
  value.length >= 12 && !/\s/.test(value) && !(value.startsWith('${') && value.endsWith('}'))

/** One alternation of all values, longest first, so that a value inside another does not tear it. */
function compileSecrets(secrets: readonly Secret[]) {
  const replacements = new Map<string, string>()
  for (const { name, value } of secrets) {
    const label = name === '' ? '[REDACTED_SECRET]' : `[REDACTED:${name}]`
    for (const literal of isSecretValue(value) ? [value, ...passwords(value)] : []) {
      const [text, replacement] = urlPassword.test(literal)
        ? [literal, literal.replace(urlPassword, `$1${label.replaceAll('$', '$$$$')}@`)]
        : [literal, label]
      for (const encode of encodings) {
        const needle = encode(text)
        if (!replacements.has(needle)) replacements.set(needle, replacement)
      }
    }
  }
  const needles = [...replacements.keys()].sort((a, b) => b.length - a.length)
  const known = needles.length === 0 ? null : new RegExp(needles.map(escapePattern).join('|'), 'g')
  return { known, replacements, longest: needles[0]?.length ?? 0 }
}

/** A value also shows up as a query parameter, and inside a JSON text that is quoted once more. */
const encodings = [
  (value: string) => value,
  // By way of a Buffer, because half a surrogate pair cannot be encoded.
  (value: string) => encodeURIComponent(Buffer.from(value).toString()),
  (value: string) => JSON.stringify(value).slice(1, -1),
]

const urlPassword = /^([a-z][a-z0-9+.-]*:\/\/[^:@/\s]*:)([^/?#]+|.+)@/i

/** Drivers report the password of a DSN alone, as written or decoded. */
function passwords(value: string): string[] {
  const password = urlPassword.exec(value)?.[2] ?? ''
  return [password, decodePercent(password)].filter(isSecretValue)
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a stray `%`: it was never encoded
  }
}

const escapePattern = (literal: string): string => literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

type Shape = readonly [hint: RegExp, pattern: RegExp, replacement: string | ((match: string, tail?: string) => string)]

/**
 * In the order in which they run. Specific prefixes precede the broad `sk-`, and a URL's password precedes e-mail
 * addresses, which would take `word@host` out of `scheme://user:pass-word@host` and leave half of the password.
 * The hint, in any case, is part of every match.
 */
const shapes: readonly Shape[] = [
  [/:\/\//, /(:\/\/[^\s/:@?#"'<>]{0,256}:)[^\s/?#"'<>]{1,512}@/g, '$1[REDACTED]@'],
  [/@/, /[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}/g, '[REDACTED_EMAIL]'],
  [
    /bearer/,
    /\bBearer(?:\s|%20){1,8}(?!(?:tokens?|auth|authentication|authorization|header|scheme)(?![\w~+/=-]))[\w.~+/=-]+/gi,
    'Bearer [REDACTED_BEARER_TOKEN]',
  ],
  // The parts after the first are optional, so that a run without dots is scanned once and stays.
  [
    /eyJ/,
    /eyJ[\w-]*(?:\.[\w-]*((?:\.[\w-]*){1,3})?)?/g,
    (match, tail) => (tail === undefined ? match : '[REDACTED_JWT]'),
  ],
  [/a[ks]ia/, /A[KS]IA[A-Z0-9]{16}/g, '[REDACTED_AWS_KEY]'],
  [/sk-/, /(?<![A-Za-z0-9])sk-ant-[\w-]{20,}/g, '[REDACTED_ANTHROPIC_KEY]'],
  [/sk-/, /(?<![A-Za-z0-9])sk-(?:proj|svcacct|admin)-[\w-]{20,}/g, '[REDACTED_OPENAI_KEY]'],
  [/sk-/, /(?<![A-Za-z0-9])sk-ws-[\w.-]{15,}/g, '[REDACTED_QWEN_KEY]'],
  [/sk-/, /(?<![A-Za-z0-9])sk-(?:[a-z0-9]{1,8}-){0,2}[A-Za-z0-9]{20,}/g, '[REDACTED_OPENAI_KEY]'],
  [/pplx-/, /pplx-[A-Za-z0-9]{20,}/g, '[REDACTED_PERPLEXITY_KEY]'],
  [/fgw/, /fgws?_[0-9a-f]{32,}/gi, '[REDACTED_GW_KEY]'],
  [/gsk_/, /gsk_[A-Za-z0-9]{20,}/g, '[REDACTED_GROQ_KEY]'],
  [/aiza/, /AIza[\w-]{35}/g, '[REDACTED_GOOGLE_KEY]'],
  [/xai-|nvapi-|csk-|hf_|r8_/, /(?<![A-Za-z0-9])(?:xai-|nvapi-|csk-|hf_|r8_)[\w-]{20,}/g, '[REDACTED_PROVIDER_KEY]'],
  [
    /=/,
    /((?:[?&;]|\\u0026|%26)(?:[\w.-]{1,32}[-_])?(?:access_token|api[-_]?key|auth|authorization|token|key|secret|password|signature|sig|credential)=)(?!\[REDACTED)[^&\s"'<>#\\]+/gi,
    '$1[REDACTED]',
  ],
  // A block without its end runs to the end of the text.
  [
    /private key/,
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
    '[REDACTED_PRIVATE_KEY]',
  ],
  [
    /key|token|secret|passw|credential/,
    /((?:api[-_]?key|token|secret|password|passwd|credential)(?:\\{0,3}["'])?\s{0,4}[:=]\s{0,4}(?:\\{0,3}["'])?)[\w+/=-]{24,}/gi,
    '$1[REDACTED_CREDENTIAL]',
  ],
]

/** One look at a text decides whether any shape is tried: almost no text has a hint in it. */
const suspicious = new RegExp([...new Set(shapes.map(([hint]) => hint.source))].join('|'), 'i')
