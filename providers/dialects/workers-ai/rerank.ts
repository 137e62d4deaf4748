import { isObject } from '../../../src/core/json.ts'
import type { Codec, TargetContext } from '../../../src/core/provider.ts'
import { type Ranking, rerankCodec } from '../rerank.ts'
import { failure, resultOf, runPath } from './run.ts'

/** https://developers.cloudflare.com/workers-ai/models/bge-reranker-base/ */
export const rerank = (root: (target: TargetContext) => string): Codec => ({
  ...rerankCodec({
    root,
    path: runPath,
    isModel: model => runPath({ model } as TargetContext) === `/run/${model}`,
    encode: ({ query, documents, most }) => ({
      query,
      contexts: documents.map(text => ({ text })),
      ...(most !== null && most > 0 && { top_k: most }),
    }),
    decode(body) {
      const { response } = resultOf(body)
      if (!Array.isArray(response)) return null
      const rankings: Ranking[] = []
      for (const item of response) {
        if (!isObject(item) || typeof item.id !== 'number' || typeof item.score !== 'number') return null
        rankings.push({ index: item.id, score: item.score })
      }
      return { rankings }
    },
  }),
  serves: model => model.includes('rerank'),
  failure,
})
