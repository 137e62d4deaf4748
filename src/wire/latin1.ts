interface Latin1Sliceable {
  latin1Slice(start: number, end: number): string
}

/** Bytes as text, one character each. `toString('latin1')` without its argument checks: a third of the time for a header. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Sliceable).latin1Slice(start, end)
}
