import type { Provider } from '../src/core/provider.ts'
import { demo } from './demo.ts'
import { openai } from './openai.ts'
import { openaiCompatible } from './openai-compatible.ts'

/** Every provider Ferrite knows. A model that no target lists goes to the first whose prefixes claim it. */
export { demo }

export const providers: readonly Provider[] = [openai, openaiCompatible, demo]

const index = new Map(providers.map(provider => [provider.id, provider]))

export const byId = (id: string): Provider | undefined => index.get(id)
