import { fieldOf } from '../../../src/core/form.ts'
import type { Codec, FormRequest, TargetContext } from '../../../src/core/provider.ts'
import { Refusal } from '../chat-request.ts'
import { toUpstreamError } from '../error-body.ts'
import { transcript } from '../openai/transcriptions.ts'
import { base64Of, readSound } from '../sound.ts'

/** Wav and mp3 of up to 30 seconds, without times. https://novita.ai/docs/api-reference/model-apis-glm-asr */
export const transcriptions = (root: (target: TargetContext) => string): Codec<FormRequest> => ({
  relay: null,
  framing: 'sse',
  root,
  serves: model => model === 'glm-asr',
  path: () => '/glm-asr',
  encode(request) {
    const refusal = new Refusal()
    const file = readSound(request, ['json', 'text'], refusal)
    if (file === null) return refusal.failure!
    const prompt = fieldOf(request, 'prompt')
    return { file: base64Of(file.bytes), ...(prompt && { prompt }) }
  },
  decode: transcript,
  failure: toUpstreamError,
})
