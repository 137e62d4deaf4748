import { defineStrategy } from '../core/strategy.ts'

/** The first target that can serve the surface, and no other. */
export const single = defineStrategy({ mode: 'single', commits: true, order: eligible => eligible.slice(0, 1) })
