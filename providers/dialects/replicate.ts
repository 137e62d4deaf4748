import type { ChatCodec, Codec } from '../../src/core/provider.ts'
import { toUpstreamError } from './replicate/error.ts'
import { PredictionEvents } from './replicate/events.ts'
import { fromImagePrediction, toImageRequest } from './replicate/images.ts'
import { predictionsPath } from './replicate/model.ts'
import { fromChatPrediction } from './replicate/prediction.ts'
import { toChatRequest } from './replicate/request.ts'

/** Held open for as long as most predictions take; without it the first answer comes at once. https://replicate.com/docs/topics/predictions/create-a-prediction */
const waiting = { prefer: 'wait' } as const
const at = { framing: 'sse', relay: null, isJob: true } as const

/** Replicate's predictions: jobs that are created, asked after, and read as they come. https://replicate.com/docs/reference/http */
export const replicate = {
  chat(): ChatCodec {
    return {
      ...at,
      params,
      path: ({ model }) => predictionsPath(model),
      // Who waits for the end gets no stream.
      headersFor: ({ stream }) => (stream ? undefined : waiting),
      encode: toChatRequest,
      decode: fromChatPrediction,
      events: target => new PredictionEvents(target, ''),
      failure: toUpstreamError,
    }
  },
  images(): Codec {
    return {
      ...at,
      path: ({ model }) => predictionsPath(model),
      headersFor: () => waiting,
      encode: toImageRequest,
      decode: fromImagePrediction,
      failure: toUpstreamError,
    }
  },
}

const params = {
  max_completion_tokens: 'translate',
  stop: 'translate',
  n: 'unsupported',
  tools: 'unsupported',
  tool_choice: 'unsupported',
  parallel_tool_calls: 'unsupported',
  response_format: 'unsupported',
  logprobs: 'unsupported',
  top_logprobs: 'unsupported',
  logit_bias: 'unsupported',
  user: 'unsupported',
} as const
