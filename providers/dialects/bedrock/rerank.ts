import type { JsonObject } from '../../../src/core/json.ts'
import { bareId } from '../converse/models.ts'
import { type Rankings, type Rerank, readRankings } from '../rerank.ts'

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html */
export const rerank: Omit<Rerank, 'root'> = {
  // https://aws.amazon.com/bedrock/pricing/
  documentsPerSearch: 100,
  path: () => '/rerank',
  isModel: model => /^[\w.:/-]+$/.test(model),
  encode: ({ query, documents, most }, { model, settings }) => ({
    queries: [{ type: 'TEXT', textQuery: { text: query } }],
    sources: documents.map(text => ({
      type: 'INLINE',
      inlineDocumentSource: { type: 'TEXT', textDocument: { text } },
    })),
    rerankingConfiguration: {
      type: 'BEDROCK_RERANKING_MODEL',
      bedrockRerankingConfiguration: {
        modelConfiguration: { modelArn: toArn(model, settings.region || 'us-east-1') },
        // All of them unless told otherwise, as everywhere else.
        numberOfResults: Math.min(most || mostResults, documents.length, mostResults),
      },
    },
  }),
  decode,
}

export const ranks = (model: string): boolean => /^(amazon|cohere)\.rerank-/.test(bareId(model))

const mostResults = 1000

function toArn(model: string, region: string): string {
  if (model.startsWith('arn:')) return model
  const partition = region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  return `arn:${partition}:bedrock:${region}::foundation-model/${bareId(model)}`
}

function decode({ results }: JsonObject): Rankings | null {
  const rankings = readRankings(results, 'relevanceScore')
  return rankings && { rankings }
}
