import type { Strategy } from '../core/strategy.ts'
import { fallback } from './fallback.ts'
import { single } from './single.ts'

export const strategies: readonly Strategy[] = [single, fallback]
