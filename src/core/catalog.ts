import type { Usage } from './chat.ts'

/** What the gateway knows of models and their prices. Implemented by `catalog/`, handed to who needs it. */
export interface Catalog {
  /** What a provider's model is; null when the catalog does not know it. Dated and prefixed ids find their model. */
  facts(provider: string, model: string): ModelFacts | null
  /** Canonical ids of a provider's models, without those that are gone. */
  models(provider: string): readonly string[]
  /** Whether an id is one of the provider's, exactly as it is written in the catalog: what makes it the model's owner. */
  owns(provider: string, model: string): boolean
  /** null: unknown, which is not the same as free. */
  price(provider: string, model: string, usage: Usage, detail?: PriceDetail): Cost | null
  /** The whole of it alone, in nano-dollars. */
  cost(provider: string, model: string, usage: Usage, detail?: PriceDetail): number | null
}

/** null: there is none, and nothing is known. */
export type CatalogOf = (memory: SharedArrayBuffer | null) => Catalog

export interface ModelFacts {
  readonly mode: ModelMode
  /** Tokens; 0 = unknown. */
  readonly contextWindow: number
  readonly maxOutputTokens: number
  /** In the order of `capabilities`; null = unknown, an empty list = none of them. */
  readonly capabilities: readonly Capability[] | null
  /** '' = unknown. */
  readonly status: ModelStatus | ''
  readonly deprecated: boolean
}

export const modelModes = [
  'chat',
  'embedding',
  'image',
  'rerank',
  'moderation',
  'audio_transcription',
  'audio_speech',
  'audio',
  'video',
  'ocr',
] as const
export type ModelMode = (typeof modelModes)[number]

export const capabilities = [
  'vision',
  'function_calling',
  'parallel_tool_calls',
  'json_mode',
  'response_schema',
  'streaming',
  'prompt_caching',
  'reasoning',
  'audio_input',
  'audio_output',
  'finetuneable',
] as const
export type Capability = (typeof capabilities)[number]

export const modelStatuses = ['preview', 'ga', 'deprecated'] as const
export type ModelStatus = (typeof modelStatuses)[number]

/** What a price may depend on besides the usage. */
export interface PriceDetail {
  /** The model that the answer says it is from: tried when the one asked for is not known. */
  readonly answeredBy?: string
  /** Wall clock; some prices change at a date or by the hour. Default: now. */
  readonly nowMs?: number
  /** As asked for: `1024x1024`, `hd`. */
  readonly imageSize?: string
  readonly imageQuality?: string
  /** Calls of the provider's own tools. */
  readonly webSearches?: number
  readonly fileSearches?: number
  /** Of documents that were read. */
  readonly pages?: number
  readonly annotatedPages?: number
}

/** Whole nano-dollars. The parts are disjoint and add up to the total. */
export interface Cost {
  readonly costNanoUsd: number
  readonly parts: CostParts
}

export interface CostParts {
  /** Prompt tokens at the full rate. */
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  /** Completion tokens other than reasoning. */
  readonly output: number
  readonly reasoning: number
  readonly audio: number
  readonly image: number
  readonly embedding: number
  /** Searches, pages, requests. */
  readonly other: number
}
