import type { ChatCodec } from '../../src/core/provider.ts'
import { fromConverse } from './converse/answer.ts'
import { toUpstreamError } from './converse/error.ts'
import { ConverseEvents } from './converse/events.ts'
import { modelPath } from './converse/models.ts'
import { toConverseRequest } from './converse/request.ts'

/**
 * Amazon Bedrock's Converse, one wire format for every chat model it serves.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
 */
export const converse = {
  chat(): ChatCodec {
    return {
      relay: null,
      framing: 'aws-event-stream',
      params,
      // `encode` refuses names that have no path.
      path: ({ model, stream }) => `${modelPath(model) ?? '/model/unknown'}/${stream ? 'converse-stream' : 'converse'}`,
      encode: toConverseRequest,
      decode: fromConverse,
      events: target => new ConverseEvents(target),
      failure: toUpstreamError,
    }
  },
}

const params = {
  max_tokens: 'translate',
  max_completion_tokens: 'translate',
  top_p: 'translate',
  stop: 'translate',
  tools: 'translate',
  tool_choice: 'translate',
  parallel_tool_calls: 'translate',
  response_format: 'translate',
  n: 'unsupported',
  seed: 'unsupported',
  presence_penalty: 'unsupported',
  frequency_penalty: 'unsupported',
  logprobs: 'unsupported',
  top_logprobs: 'unsupported',
  user: 'unsupported',
  logit_bias: 'unsupported',
} as const
