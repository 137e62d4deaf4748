/**
 * Money without rounding on the way. A price is a decimal that a person wrote down; times a count it is a decimal again,
 * and only the sum is rounded, once, to whole nano-dollars.
 */

/** Decimal places that are kept of a price in USD. */
const places = 12
const scale = 10n ** BigInt(places)

/** USD × 10¹², exactly as it is written. Digits beyond the twelfth place are rounded. */
export function scaledUsd(usd: number): bigint {
  const text = usd.toFixed(places)
  const point = text.indexOf('.')
  return BigInt(text.slice(0, point)) * scale + BigInt(text.slice(point + 1))
}

/** Common multiple of all that a price can be per: 10⁹, 10⁶, 10³ and 3,600. */
const units = 9_000_000_000n
/** Counts such as seconds have fractions; so many parts of one are told apart. */
const countParts = 1_000_000

/** A sum of counts times prices. */
export class ExactSum {
  #sum = 0n

  add(count: number, usd: number, per: number): void {
    const parts = BigInt(Math.round(count * countParts))
    this.#sum += parts * scaledUsd(usd) * (units / BigInt(per))
  }

  /** Halves are rounded up. Infinity past 2⁵³. */
  get nanoUsd(): number {
    const one = (BigInt(countParts) * scale * units) / 1_000_000_000n
    const rounded = (2n * this.#sum + one) / (2n * one)
    return rounded > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(rounded)
  }
}

/** USD per million is pico-dollars for one × 10⁶: whole for prices of up to six places; -1 where it is not. */
export function picoUsdPerOne(usdPerMillion: number): number {
  const pico = Math.round(usdPerMillion * 1e6)
  return Number.isSafeInteger(pico) && scaledUsd(usdPerMillion) === BigInt(pico) * 10n ** BigInt(places - 6) ? pico : -1
}

/** Of a whole number of pico-dollars; halves are rounded up. Dividing first would round wrongly from some thousand USD on. */
export function nanoFromPico(pico: number): number {
  const rest = pico % 1000
  return (pico - rest) / 1000 + (rest >= 500 ? 1 : 0)
}
