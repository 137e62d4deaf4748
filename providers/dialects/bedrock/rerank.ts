import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, TargetContext } from '../../../src/core/provider.ts'
import { bareId } from '../converse/models.ts'
import { type Rankings, type Rerank, readRankings } from '../rerank.ts'

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html */
export const rerank: Omit<Rerank, 'root'> = {
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

/** A query is billed for every hundred documents. https://aws.amazon.com/bedrock/pricing/ */
export function withSearchUnits(answer: Answer<JsonObject>, { request }: TargetContext): Answer<JsonObject> {
  const documents = isObject(request) && Array.isArray(request.documents) ? request.documents.length : 0
  const searchUnits = Math.ceil(documents / 100)
  return {
    body: { ...answer.body, meta: { billed_units: { search_units: searchUnits } } },
    usage: { ...answer.usage, searchUnits },
  }
}

function decode({ results }: JsonObject): Rankings | null {
  const rankings = readRankings(results, 'relevanceScore')
  return rankings && { rankings }
}
