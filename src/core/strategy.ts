/** Puts the eligible targets in order; never calls, retries or judges health. */
export interface Strategy {
  readonly mode: string
  /** A committed strategy names one target and stands by it; the others move on when a target fails. */
  readonly commits: boolean
  order<T>(eligible: readonly T[]): readonly T[]
}

export const defineStrategy = (strategy: Strategy): Strategy => strategy
