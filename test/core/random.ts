/** A seeded generator (mulberry32), so that a property that fails fails again. */
export function random(seed: number) {
  const next = (): number => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(items: readonly T[]): T => items[below(items.length)],
  }
}

export type Random = ReturnType<typeof random>

/** The same bytes in pieces, cut at random. */
export function pieces(bytes: Uint8Array, { below, chance }: Random): Uint8Array[] {
  const out: Uint8Array[] = []
  const most = chance(0.3) ? 3 : 200
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + 1 + below(most))
    out.push(bytes.subarray(from, to))
    from = to
  }
  return out
}
