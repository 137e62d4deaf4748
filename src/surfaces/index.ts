import type { PlannedRoute, Surface } from '../core/surface.ts'
import { chat } from './chat.ts'

/** The endpoints that go through the pipeline to an upstream. */
export const surfaces: readonly Surface[] = [chat]

/** Part of the API, not served yet. */
export const planned: readonly PlannedRoute[] = [
  { path: '/v1/completions', methods: ['POST'] },
  { path: '/v1/embeddings', methods: ['POST'] },
  { path: '/v1/images/generations', methods: ['POST'] },
  { path: '/v1/rerank', methods: ['POST'] },
  { path: '/v1/moderations', methods: ['POST'] },
  { path: '/v1/audio/transcriptions', methods: ['POST'] },
  { path: '/v1/audio/translations', methods: ['POST'] },
  { path: '/v1/audio/speech', methods: ['POST'] },
  { path: '/v1/responses', methods: ['POST'] },
  { path: '/v1/capabilities', methods: ['GET'] },
]
