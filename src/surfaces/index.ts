import type { Surface } from '../core/surface.ts'
import { speech, transcriptions, translations } from './audio.ts'
import { chat } from './chat.ts'
import { completions } from './completions.ts'
import { embeddings } from './embeddings.ts'
import { imageEdits, images, imageVariations } from './images.ts'
import { moderations } from './moderations.ts'
import { rerank } from './rerank.ts'

/** The endpoints that go through the pipeline to an upstream. */
export const surfaces: readonly Surface[] = [
  chat,
  completions,
  embeddings,
  images,
  imageEdits,
  imageVariations,
  rerank,
  moderations,
  transcriptions,
  translations,
  speech,
]
