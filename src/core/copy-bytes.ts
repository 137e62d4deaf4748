/**
 * Copies from or into memory that threads share. There V8 copies byte by byte, unless both sides happen to lie alike
 * (1.4 µs for 4 KB); `fill` with as many bytes as there is room for is one `memcpy` (0.1 µs).
 */
export function copyInto(target: Buffer, at: number, bytes: Uint8Array): void {
  if (bytes.length > 0) target.fill(bytes, at, at + bytes.length)
}

/** A copy that belongs to nobody else. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length)
  copyInto(copy, 0, bytes)
  return copy
}
