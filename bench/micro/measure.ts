/** Median and spread of seven rounds, in nanoseconds per run. */
export function measure(name: string, rounds: number, run: () => unknown): void {
  for (let i = 0; i < rounds / 5; i++) run()
  const samples: number[] = []
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) run()
    samples.push(Number(process.hrtime.bigint() - start) / rounds)
  }
  samples.sort((a, b) => a - b)
  const [low, , , median, , , high] = samples.map(ns => ns.toFixed(0))
  console.log(`  ${name.padEnd(40)} ${median.padStart(10)} ns  (${low}–${high})`)
}
