import type { Codec } from '../../src/core/provider.ts'
import { embeds, fromEmbedAnswer, toEmbedBody } from './bedrock/embeddings.ts'
import { draws, fromImageAnswer, toImageBody } from './bedrock/images.ts'
import { ranks, rerank } from './bedrock/rerank.ts'
import { toUpstreamError } from './converse/error.ts'
import { modelPath } from './converse/models.ts'
import { rerankCodec } from './rerank.ts'

/**
 * What Converse does not serve: InvokeModel, whose bodies are each vendor's own, and Rerank.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
 */
export const bedrock = {
  embeddings(): Codec {
    return {
      relay: null,
      framing: 'aws-event-stream',
      path: ({ model }) => invokePath(model),
      serves: embeds,
      encode: toEmbedBody,
      decode: fromEmbedAnswer,
      failure: toUpstreamError,
    }
  },
  images(): Codec {
    return {
      relay: null,
      framing: 'aws-event-stream',
      path: ({ model }) => invokePath(model),
      serves: draws,
      encode: toImageBody,
      decode: fromImageAnswer,
      failure: toUpstreamError,
    }
  },
  /** `root`: of another service than the models', in the same region. */
  rerank(root: (settings: Readonly<Record<string, string>>) => string): Codec {
    return {
      ...rerankCodec({ ...rerank, root: ({ settings }) => root(settings) }),
      serves: ranks,
      failure: toUpstreamError,
    }
  },
}

// `encode` refuses names that have no path.
const invokePath = (model: string): string => `${modelPath(model) ?? '/model/unknown'}/invoke`
