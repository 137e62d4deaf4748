import { noUsage } from '../../../src/core/chat.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { type Rankings, type Rerank, readRankings } from '../rerank.ts'

/** https://docs.cohere.com/reference/rerank. What is billed are searches. */
export const rerank: Rerank = {
  path: () => '/v2/rerank',
  own: ['max_tokens_per_doc', 'priority'],
  encode: ({ query, documents, most }, { model }) => ({
    model,
    query,
    documents: [...documents],
    ...(most !== null && most > 0 && { top_n: most }),
  }),
  decode,
}

function decode({ results, id, meta }: JsonObject): Rankings | null {
  const rankings = readRankings(results, 'relevance_score')
  const billed = isObject(meta) && isObject(meta.billed_units) ? meta.billed_units : {}
  const usage = { ...noUsage, searchUnits: count(billed.search_units) }
  return rankings && { rankings, usage, id: text(id), ...(isObject(meta) && { meta }) }
}
