import type { CostParts } from '../core/catalog.ts'

/**
 * What can have a price, named and measured as the price data does. A unit is what it says in all its words: what is
 * counted for `cache_read` is a part of what is counted for `input`, and a more special price takes its part out of the
 * more general one. So with prices for both, a token read from the cache is not charged as input as well.
 * https://github.com/pydantic/genai-prices/blob/main/prices/units.yml
 */
export interface Unit {
  readonly key: string
  /** One price is for so many. */
  readonly per: number
  readonly quantity: Quantity
  /** Its words, a bit each. */
  readonly words: number
  readonly part: keyof CostParts
}

/** What is measured of an exchange, by the row in which the pricer notes it. */
export const quantities = [
  'none',
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioIn',
  'audioOut',
  'imageIn',
  'imageOut',
  'cachedAudio',
  'cachedImage',
  'seconds',
  'characters',
  'searchUnits',
  'images',
  'webSearches',
  'fileSearches',
  'pages',
  'annotatedPages',
  'requests',
] as const
export type Quantity = (typeof quantities)[number]

const words = [
  'tokens',
  'duration',
  'characters',
  'pages',
  'messages',
  'requests',
  'rerank',
  'input',
  'output',
  'audio',
  'image',
  'video',
  'text',
  'cache_read',
  'cache_write',
  'short',
  'long',
  'reasoning',
  'citation',
  'annotated',
  'web',
  'storage',
] as const

const bitsOf = (text: string): number =>
  text.split(' ').reduce((bits, word) => bits | (1 << words.indexOf(word as (typeof words)[number])), 0)

const million = 1_000_000
const unit = (key: string, per: number, quantity: Quantity, text: string, part: keyof CostParts): Unit => ({
  key,
  per,
  quantity,
  words: bitsOf(text),
  part,
})

/** `none`: priced by some provider, and nothing that reaches the gateway says how much of it there was. */
export const units: readonly Unit[] = [
  unit('input_mtok', million, 'input', 'tokens input', 'input'),
  unit('cache_read_mtok', million, 'cacheRead', 'tokens input cache_read', 'cacheRead'),
  unit('cache_write_mtok', million, 'cacheWrite', 'tokens input cache_write', 'cacheWrite'),
  unit('cache_write_5m_mtok', million, 'none', 'tokens input cache_write short', 'cacheWrite'),
  unit('cache_write_1h_mtok', million, 'cacheWrite1h', 'tokens input cache_write long', 'cacheWrite'),
  unit('input_audio_mtok', million, 'audioIn', 'tokens input audio', 'audio'),
  unit('cache_audio_read_mtok', million, 'cachedAudio', 'tokens input audio cache_read', 'audio'),
  unit('input_image_mtok', million, 'imageIn', 'tokens input image', 'image'),
  unit('cache_image_read_mtok', million, 'cachedImage', 'tokens input image cache_read', 'image'),
  unit('input_video_mtok', million, 'none', 'tokens input video', 'image'),
  unit('output_mtok', million, 'output', 'tokens output', 'output'),
  unit('output_reasoning_mtok', million, 'reasoning', 'tokens output reasoning', 'reasoning'),
  unit('output_citation_mtok', million, 'none', 'tokens output citation', 'other'),
  unit('output_audio_mtok', million, 'audioOut', 'tokens output audio', 'audio'),
  unit('output_image_mtok', million, 'imageOut', 'tokens output image', 'image'),
  unit('output_video_mtok', million, 'none', 'tokens output video', 'image'),
  unit('audio_hours', 3600, 'seconds', 'duration audio', 'audio'),
  unit('input_audio_hours', 3600, 'seconds', 'duration audio input', 'audio'),
  unit('output_audio_hours', 3600, 'none', 'duration audio output', 'audio'),
  unit('input_mchars', million, 'characters', 'characters input', 'audio'),
  unit('rerank_searches_kcount', 1000, 'searchUnits', 'rerank', 'other'),
  unit('input_document_kpages', 1000, 'pages', 'pages input', 'other'),
  unit('input_annotated_document_kpages', 1000, 'annotatedPages', 'pages input annotated', 'other'),
  unit('input_text_messages_kcount', 1000, 'none', 'messages input text', 'other'),
  unit('web_searches_kcount', 1000, 'webSearches', 'web', 'other'),
  unit('storage_searches_kcount', 1000, 'fileSearches', 'storage', 'other'),
  unit('requests_kcount', 1000, 'requests', 'requests', 'other'),
]

const byKey = new Map(units.map(found => [found.key, found]))
export const unitOf = (key: string): Unit | undefined => byKey.get(key)

/** `inner` says all that `outer` says, and more. */
export const isPartOf = (inner: Unit, outer: Unit): boolean =>
  inner !== outer && (inner.words & outer.words) === outer.words
