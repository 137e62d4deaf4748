import { fieldOf } from '../../../src/core/form.ts'
import type { Codec, FormRequest, TargetContext } from '../../../src/core/provider.ts'
import { Refusal } from '../chat-request.ts'
import { toUpstreamError } from '../error-body.ts'
import { transcript } from '../openai/transcriptions.ts'

/** Wav and mp3 of up to 30 seconds, without times. https://novita.ai/docs/api-reference/model-apis-glm-asr */
export const transcriptions = (root: (target: TargetContext) => string): Codec<FormRequest> => ({
  relay: null,
  framing: 'sse',
  root,
  serves: model => model === 'glm-asr',
  path: () => '/glm-asr',
  encode(request) {
    const refusal = new Refusal()
    const file = request.parts.find(({ name, filename }) => name === 'file' && filename !== null)
    const format = fieldOf(request, 'response_format') || 'json'
    if (format !== 'json' && format !== 'text')
      refusal.unsupported('response_format', `this model has no \`response_format\` ${format.slice(0, 64)}`)
    if (file === undefined) refusal.invalid('file', 'file must be a file')
    if (file === undefined || refusal.failure !== null) return refusal.failure!
    const { buffer, byteOffset, byteLength } = file.bytes
    const prompt = fieldOf(request, 'prompt')
    return { file: Buffer.from(buffer, byteOffset, byteLength).toString('base64'), ...(prompt && { prompt }) }
  },
  decode: transcript,
  failure: toUpstreamError,
})
