import { Failure } from '../src/core/failures.ts'
import { isObject } from '../src/core/json.ts'
import { defineProvider, type FormPart, type FormRequest, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://docs.x.ai/docs/api-reference */
export const xai = defineProvider({
  id: 'xai',
  aliases: ['x-ai', 'grok'],
  ...hosted({ root: 'https://api.x.ai/v1', env: 'XAI', help: 'https://console.x.ai' }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      usage: withReasoning,
    }),
    images: openai.images({
      path: '/images/generations',
      relay: 'normalise',
      unsupported: ['size', 'quality', 'style'],
      streams: false,
    }),
    imageEdits: { ...openai.imageEdits({ path: '/images/edits', relay: 'normalise', streams: false }), encode: asJson },
  },
  modelPrefixes: ['grok', 'Grok', 'GROK', 'xai', 'xAI', 'XAI'],
  models: ['grok-4', 'grok-3', 'grok-3-mini', 'grok-code-fast-1', 'grok-imagine-image'],
  notes: 'Reasoning models refuse `stop` and the penalties.',
})

/** Some models count reasoning beside the completion; the total gives them away. */
function withReasoning(usage: JsonObject): JsonObject {
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage
  const details = usage.completion_tokens_details
  const reasoning = isObject(details) ? details.reasoning_tokens : undefined
  if (typeof prompt !== 'number' || typeof completion !== 'number' || typeof reasoning !== 'number') return usage
  return reasoning > 0 && total === prompt + completion + reasoning
    ? { ...usage, completion_tokens: completion + reasoning }
    : usage
}

/**
 * Where OpenAI takes a form, xAI takes JSON with the pictures as data URLs. It has no masks.
 * https://docs.x.ai/docs/guides/image-generation
 */
function asJson({ parts }: FormRequest): JsonObject | Failure {
  const pictures = parts.filter(({ name, filename }) => filename !== null && /^image(?:\[\d*\])?$/.test(name))
  if (parts.some(({ name, filename }) => filename !== null && name === 'mask'))
    return new Failure('unsupported_parameter', { message: 'this model takes no mask', param: 'mask' })
  const images = pictures.map(part => ({ type: 'image_url', url: dataUrl(part) }))
  const fields = parts
    .filter(({ name, filename }) => filename === null && Object.hasOwn(editFields, name))
    .map(({ name, bytes }) => [name, editFields[name](Buffer.from(bytes).toString('utf8'))])
  return { ...Object.fromEntries(fields), ...(images.length === 1 ? { image: images[0] } : { images }) }
}

/** Fields of the form that it knows too. Size, quality and the like have no counterpart. */
const editFields: Readonly<Record<string, (text: string) => string | number>> = {
  model: text => text,
  prompt: text => text,
  n: Number,
  response_format: text => text,
  user: text => text,
}

const dataUrl = ({ contentType, bytes }: FormPart): string =>
  `data:${/^image\/[\w.+-]+$/.test(contentType) ? contentType : 'image/png'};base64,${Buffer.from(bytes).toString('base64')}`
