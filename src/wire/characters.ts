/** Character classes of RFC 9110 §5.6 and §5.5 as lookup tables: one load per byte and no branches. */

const table = (accepts: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0))

const tokenPunctuation = "!#$%&'*+-.^_`|~"
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a

/** `token`: names, methods. */
export const isToken = table(
  byte => isDigit(byte) || isLetter(byte) || tokenPunctuation.includes(String.fromCharCode(byte)),
)

/** What a field value, a reason phrase or a chunk extension may hold: HTAB, SP, VCHAR, obs-text. */
export const isText = table(byte => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f))

/** What a request target may hold: VCHAR. */
export const isVisible = table(byte => byte > 0x20 && byte < 0x7f)

/** Value of a hexadecimal digit; 255 for anything else. */
export const hexValue = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16)
  return Number.isNaN(value) ? 255 : value
})

/** ASCII lower case. Not `byte | 0x20`, which would make `_` equal to DEL and `^` to `~`. */
export const lower = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte))

export const HTAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const COLON = 0x3a
export const SEMICOLON = 0x3b
