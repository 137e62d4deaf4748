import { isObject } from '../../../src/core/json.ts'
import type { Codec, TargetContext } from '../../../src/core/provider.ts'
import { type Ranking, rerankCodec } from '../rerank.ts'
import { toUpstreamError } from './error.ts'

/**
 * Google's rankers, at an API of their own. A query is billed for every hundred records.
 * https://cloud.google.com/generative-ai-app-builder/docs/ranking, https://cloud.google.com/generative-ai-app-builder/docs/reference/rest/v1/projects.locations.rankingConfigs/rank
 */
export const rerank = (root: (target: TargetContext) => string): Codec => ({
  ...rerankCodec({
    root,
    documentsPerSearch: 100,
    path: () => '/rankingConfigs/default_ranking_config:rank',
    isModel: model => /^[\w.@-]+$/.test(model),
    encode: ({ query, documents, most }, { model }) => ({
      model,
      query,
      // Their places are their ids: the answer has nothing else to tell them by.
      records: documents.map((content, i) => ({ id: String(i), content })),
      ...(most !== null && most > 0 && { topN: most }),
      ignoreRecordDetailsInResponse: true,
    }),
    decode({ records }) {
      if (!Array.isArray(records)) return null
      const rankings: Ranking[] = []
      for (const record of records) {
        if (!isObject(record) || typeof record.id !== 'string' || !/^\d{1,6}$/.test(record.id)) return null
        // What does not matter at all has no score in the answer: zeros are left out of it.
        rankings.push({ index: Number(record.id), score: typeof record.score === 'number' ? record.score : 0 })
      }
      return { rankings }
    },
  }),
  serves: model => model.startsWith('semantic-ranker-'),
  failure: toUpstreamError,
})
