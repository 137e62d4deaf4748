import type { ChatCodec, Codec } from '../../src/core/provider.ts'
import { fromChatResponse } from './cohere/answer.ts'
import { embedPath, fromEmbedResponse, toEmbedRequest } from './cohere/embed.ts'
import { toUpstreamError } from './cohere/error.ts'
import { ChatEvents } from './cohere/events.ts'
import { toChatRequest } from './cohere/request.ts'
import { rerank } from './cohere/rerank.ts'
import { rerankCodec } from './rerank.ts'

/** Cohere's API, version 2. https://docs.cohere.com/reference/chat */
export const cohere = {
  chat({ path }: { readonly path: string }): ChatCodec {
    return {
      relay: null,
      framing: 'sse',
      params,
      path: () => path,
      encode: toChatRequest,
      decode: fromChatResponse,
      events: target => new ChatEvents(target),
      failure: toUpstreamError,
    }
  },
  embeddings(): Codec {
    return {
      relay: null,
      framing: 'sse',
      path: () => embedPath,
      encode: toEmbedRequest,
      decode: fromEmbedResponse,
      failure: toUpstreamError,
    }
  },
  rerank: (): Codec => ({ ...rerankCodec(rerank), failure: toUpstreamError }),
}

const params = {
  max_completion_tokens: 'translate',
  top_p: 'translate',
  stop: 'translate',
  tools: 'translate',
  tool_choice: 'translate',
  response_format: 'translate',
  presence_penalty: 'translate',
  frequency_penalty: 'translate',
  logprobs: 'translate',
  n: 'unsupported',
  top_logprobs: 'unsupported',
  parallel_tool_calls: 'unsupported',
  user: 'unsupported',
  logit_bias: 'unsupported',
} as const
