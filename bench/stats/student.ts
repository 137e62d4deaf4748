/** Quantile of Student's t distribution with `degrees` degrees of freedom, for 0.5 < share < 1. */
export function studentQuantile(share: number, degrees: number): number {
  let low = 0
  let high = 1
  while (studentCdf(high, degrees) < share && high < 1e9) high *= 2
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2
    if (studentCdf(middle, degrees) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

export function studentCdf(t: number, degrees: number): number {
  const tail = incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
  return t >= 0 ? 1 - tail : tail
}

/** Regularised incomplete beta function, by continued fraction (Lentz). https://dlmf.nist.gov/8.17#SS5 */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x))
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b
}

function fraction(x: number, a: number, b: number): number {
  const tiny = 1e-300
  let c = 1
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / guard(1 + even * d)
    c = guard(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / guard(1 + odd * d)
    c = guard(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-14) break
  }
  return result

  function guard(value: number): number {
    return Math.abs(value) < tiny ? tiny : value
  }
}

/** Stirling's series, shifted to where it is exact to 1e-14. https://dlmf.nist.gov/5.11 */
function logGamma(z: number): number {
  let shift = 0
  let x = z
  while (x < 15) {
    shift += Math.log(x)
    x += 1
  }
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7)
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series - shift
}
