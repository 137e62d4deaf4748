import type { ChatCodec } from '../../src/core/provider.ts'
import { fromGenerated } from './gemini/answer.ts'
import { toUpstreamError } from './gemini/error.ts'
import { GenerateEvents } from './gemini/events.ts'
import { modelPath } from './gemini/models.ts'
import { toGenerateRequest } from './gemini/request.ts'

/** Google's generateContent. https://ai.google.dev/api/generate-content */
export const gemini = {
  chat(): ChatCodec {
    return {
      relay: null,
      framing: 'sse',
      params,
      // `encode` refuses names that have no path.
      path: ({ model, stream }) =>
        `${modelPath(model) ?? '/models/unknown'}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
      encode: toGenerateRequest,
      decode: fromGenerated,
      events: target => new GenerateEvents(target),
      failure: toUpstreamError,
    }
  },
}

const params = {
  max_tokens: 'translate',
  max_completion_tokens: 'translate',
  top_p: 'translate',
  n: 'translate',
  presence_penalty: 'translate',
  frequency_penalty: 'translate',
  stop: 'translate',
  tools: 'translate',
  tool_choice: 'translate',
  response_format: 'translate',
  logprobs: 'translate',
  top_logprobs: 'translate',
  parallel_tool_calls: 'unsupported',
  user: 'unsupported',
  logit_bias: 'unsupported',
} as const
