import { modelPath } from './models.ts'

/** Where models are served, and what is different there. */
export interface GeminiHost {
  /** Of the model, below the root; null: not a name that a path may hold. */
  readonly path: (model: string) => string | null
  /** Calls and their results name each other by an id. */
  readonly hasCallIds: boolean
}

/** https://ai.google.dev/api */
export const googleAi: GeminiHost = { path: modelPath, hasCallIds: true }

/** `encode` refuses names that have no path. */
export const methodPath = ({ path }: GeminiHost, model: string, method: string): string =>
  `${path(model) ?? '/models/unknown'}:${method}`
