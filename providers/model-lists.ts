import { isObject } from '../src/core/json.ts'
import type { DiscoveredModel, Discovery, Json, JsonObject } from '../src/core/provider.ts'

/** The lists of models that providers answer with, as data: path, and what a page of it says. */

/** OpenAI's list, which most hosts have; Together sends the array alone. https://platform.openai.com/docs/api-reference/models/list */
export const openaiModels: Discovery = {
  path: '/models',
  decode(body) {
    const list = Array.isArray(body) ? body : isObject(body) ? body.data : undefined
    return page(list, ({ id, created, ...more }) => ({
      id,
      created: seconds(created),
      // Each host has its own name for it.
      contextWindow: tokens(
        more.context_length ?? more.context_window ?? more.max_context_length ?? more.max_model_len,
      ),
      maxOutputTokens: tokens(more.max_completion_tokens ?? more.max_output_tokens),
    }))
  },
}

/** https://platform.claude.com/docs/en/api/models-list */
export const anthropicModels: Discovery = {
  path: '/models?limit=1000',
  decode(body) {
    if (!isObject(body)) return null
    const { has_more: hasMore, last_id: last } = body
    const next = hasMore === true && typeof last === 'string' && last !== '' ? last : undefined
    return page(
      body.data,
      ({ id, created_at: created }) => ({ id, created: seconds(created) }),
      next === undefined ? undefined : `/models?limit=1000&after_id=${encodeURIComponent(next)}`,
    )
  },
}

/** https://ai.google.dev/api/models#method:-models.list */
export const geminiModels: Discovery = {
  path: '/models?pageSize=1000',
  decode(body) {
    if (!isObject(body)) return null
    const { nextPageToken: token } = body
    return page(
      body.models,
      ({ name, inputTokenLimit, outputTokenLimit }) => ({
        id: typeof name === 'string' ? name.replace(/^models\//, '') : undefined,
        contextWindow: tokens(inputTokenLimit),
        maxOutputTokens: tokens(outputTokenLimit),
      }),
      after('/models?pageSize=1000&pageToken=', token),
    )
  },
}

/** https://docs.cohere.com/reference/list-models */
export const cohereModels: Discovery = {
  path: '/v1/models?page_size=1000',
  decode(body) {
    if (!isObject(body)) return null
    return page(
      body.models,
      ({ name, context_length }) => ({ id: name, contextWindow: tokens(context_length) }),
      after('/v1/models?page_size=1000&page_token=', body.next_page_token),
    )
  },
}

/** https://docs.ollama.com/api/tags */
export const ollamaTags: Discovery = {
  path: '/api/tags',
  decode: body =>
    isObject(body)
      ? page(body.models, ({ name, model, modified_at: modified }) => ({
          id: name ?? model,
          created: seconds(modified),
        }))
      : null,
}

/** Google's own; partners' models are not in it. https://cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list */
export const publisherModels: Omit<Discovery, 'root'> = {
  path: '/models?pageSize=300',
  decode(body) {
    if (!isObject(body)) return null
    return page(
      body.publisherModels,
      ({ name }) => ({ id: typeof name === 'string' ? name.replace(/^publishers\/google\/models\//, '') : undefined }),
      after('/models?pageSize=300&pageToken=', body.nextPageToken),
    )
  },
}

/** Those that speak, of the many that anybody may publish. https://replicate.com/docs/reference/http#collections.get */
export const replicateModels: Discovery = {
  path: '/collections/language-models',
  decode: body =>
    isObject(body)
      ? page(body.models, ({ owner, name }) => ({
          id: typeof owner === 'string' && typeof name === 'string' ? `${owner}/${name}` : undefined,
        }))
      : null,
}

/** A field of each entry as its id, in a list of that name. */
export const namedIn =
  (list: string, field: string): Discovery['decode'] =>
  body =>
    isObject(body) ? page(body[list], entry => ({ id: entry[field] })) : null

interface Found {
  readonly id: Json | undefined
  readonly created?: number
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
}

/** Entries without an id are left out. */
function page(
  list: Json | undefined,
  read: (entry: JsonObject) => Found,
  next?: string,
): ReturnType<Discovery['decode']> {
  if (!Array.isArray(list)) return null
  const models: DiscoveredModel[] = []
  for (const entry of list) {
    if (!isObject(entry)) continue
    const { id, created = 0, contextWindow = 0, maxOutputTokens = 0 } = read(entry)
    if (typeof id !== 'string' || id === '') continue
    models.push({
      id,
      ...(created > 0 && { created }),
      ...(contextWindow > 0 && { contextWindow }),
      ...(maxOutputTokens > 0 && { maxOutputTokens }),
    })
  }
  return { models, ...(next !== undefined && { next }) }
}

/** The path of the page that a token stands for; none without one. */
const after = (path: string, token: Json | undefined): string | undefined =>
  typeof token === 'string' && token !== '' ? path + encodeURIComponent(token) : undefined

const tokens = (value: Json | undefined): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0

/** Seconds, or a time as text. */
function seconds(value: Json | undefined): number {
  const found = typeof value === 'string' ? Date.parse(value) / 1000 : value
  return typeof found === 'number' && found > 0 && found < 1e11 ? Math.floor(found) : 0
}
