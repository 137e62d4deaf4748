/**
 * Short texts and numbers as bytes, written where they belong. For a few dozen characters a loop costs less than the way
 * through `Buffer`, and it makes no string on the way.
 */

/** Latin-1. Returns the position behind it. */
export function writeText(bytes: Uint8Array, at: number, text: string): number {
  const { length } = text
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + length
}

/** A whole number from 0 to 2^53 - 1 in decimal digits. Returns the position behind them. */
export function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  const end = at + decimalLength(value)
  let rest = value
  for (let i = end - 1; i >= at; i--) {
    const tens = Math.floor(rest / 10)
    bytes[i] = 0x30 + (rest - tens * 10)
    rest = tens
  }
  return end
}

export function decimalLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 10; rest /= 10) length++
  return length
}
