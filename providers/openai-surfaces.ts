import type { Codecs } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'

/** A host's answers are brought to the contract, whoever it is. */
const relay = 'normalise'

/** Each surface of OpenAI's API besides the chat, at its path, for a host that differs in nothing or in what is said. */
const surfaceOf = {
  completions: (more: Differing<typeof openai.completions>) =>
    openai.completions({ path: '/completions', relay, ...more }),
  embeddings: (more: Differing<typeof openai.embeddings>) => openai.embeddings({ path: '/embeddings', relay, ...more }),
  images: (more: Differing<typeof openai.images>) => openai.images({ path: '/images/generations', relay, ...more }),
  imageEdits: (more: Differing<typeof openai.imageEdits>) =>
    openai.imageEdits({ path: '/images/edits', relay, ...more }),
  imageVariations: (more: Differing<typeof openai.imageVariations>) =>
    openai.imageVariations({ path: '/images/variations', relay, ...more }),
  rerank: (more: Differing<typeof openai.rerank>) => openai.rerank({ path: '/rerank', relay, ...more }),
  moderations: (more: Differing<typeof openai.moderations>) =>
    openai.moderations({ path: '/moderations', relay, ...more }),
  transcriptions: (more: Differing<typeof openai.transcriptions>) =>
    openai.transcriptions({ path: '/audio/transcriptions', relay, ...more }),
  translations: (more: Differing<typeof openai.translations>) =>
    openai.translations({ path: '/audio/translations', relay, ...more }),
  speech: (more: Differing<typeof openai.speech>) => openai.speech({ path: '/audio/speech', relay, ...more }),
}

type Differing<Make extends (options: never) => unknown> = Partial<Parameters<Make>[0]>

/** The surfaces that a host has, and how each differs from OpenAI's. */
export type HostSurfaces = { readonly [Id in keyof typeof surfaceOf]?: Parameters<(typeof surfaceOf)[Id]>[0] }

export function surfacesOf(surfaces: HostSurfaces): Codecs {
  const made = Object.entries(surfaces).map(([id, more]) => [id, surfaceOf[id as keyof HostSurfaces](more as never)])
  return Object.fromEntries(made) as Codecs
}

/** For servers of which only the operator knows what they have: what one hasn't, it answers with a 404. */
export const everySurface: HostSurfaces = {
  completions: {},
  embeddings: {},
  images: {},
  imageEdits: {},
  imageVariations: {},
  rerank: {},
  moderations: {},
  transcriptions: { events: openai.typedEvents },
  translations: {},
  speech: { streams: true },
}
