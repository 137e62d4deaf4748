import { Failure } from '../../src/core/failures.ts'
import type { ChatCodec, TargetContext } from '../../src/core/provider.ts'
import { fromMessage } from './anthropic/answer.ts'
import { toUpstreamError } from './anthropic/error.ts'
import { MessageEvents } from './anthropic/events.ts'
import { toMessagesRequest } from './anthropic/request.ts'

/** Anthropic's Messages API, which other vendors serve too. https://platform.claude.com/docs/en/api/messages */
export interface AnthropicChat {
  /** Below the provider's root. */
  readonly path: string | ((target: TargetContext) => string)
  /** Where the path names the model, the body doesn't, and the version stands in it in place of a header. */
  readonly bodyVersion?: string
}

export const anthropic = {
  chat({ path, bodyVersion }: AnthropicChat): ChatCodec {
    return {
      relay: null,
      framing: 'sse',
      ...(bodyVersion === undefined && { headers: { 'anthropic-version': '2023-06-01' } }),
      params,
      path: typeof path === 'string' ? () => path : path,
      encode(request, target) {
        const body = toMessagesRequest(request, target)
        if (body instanceof Failure || bodyVersion === undefined) return body
        const { model: _model, ...rest } = body
        return { anthropic_version: bodyVersion, ...rest }
      },
      decode: fromMessage,
      events: target => new MessageEvents(target),
      failure: toUpstreamError,
    }
  },
}

const params = {
  max_completion_tokens: 'translate',
  stop: 'translate',
  tools: 'translate',
  tool_choice: 'translate',
  parallel_tool_calls: 'translate',
  response_format: 'translate',
  user: 'translate',
  n: 'unsupported',
  seed: 'unsupported',
  presence_penalty: 'unsupported',
  frequency_penalty: 'unsupported',
  logprobs: 'unsupported',
  top_logprobs: 'unsupported',
  logit_bias: 'unsupported',
} as const
