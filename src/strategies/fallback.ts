import { defineStrategy } from '../core/strategy.ts'

/** Every target, as declared. */
export const fallback = defineStrategy({ mode: 'fallback', commits: false, order: eligible => eligible })
