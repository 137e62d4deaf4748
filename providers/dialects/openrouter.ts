import { parseUsage } from '../../src/core/chat.ts'
import { isObject, type JsonObject } from '../../src/core/json.ts'
import type { Codec, FormRequest } from '../../src/core/provider.ts'
import { text } from './chat-request.ts'
import { toRatio } from './image-size.ts'
import { failure } from './openai/failure.ts'
import { type Drawing, type Drawn, drawnEdits, drawnPictures } from './pictures.ts'

/** https://openrouter.ai/docs/features/multimodal/image-generation */
const ratios = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9']

/** Those that say nothing while they draw: asked for a text too they are not found. */
const isSilent = (model: string): boolean => /^(?:black-forest-labs|sourceful|recraft|bytedance-seed)\//.test(model)

const resolutions: Readonly<Record<string, string>> = { low: '1K', standard: '1K', medium: '2K', high: '4K', hd: '4K' }

/** A chat whose answer has pictures. */
const drawing: Drawing = {
  path: () => '/chat/completions',
  failure,
  own: ['quality', 'seed', 'temperature', 'top_p', 'provider', 'image_config'],
  size(size, refusal) {
    const ratio = toRatio(size, ratios, refusal)
    return ratio === '' ? {} : { aspect_ratio: ratio }
  },
  body({ prompt, options, pictures }, { model }) {
    const { aspect_ratio, quality, image_config, ...own } = options
    const resolution = Object.hasOwn(resolutions, text(quality)) ? resolutions[text(quality)] : undefined
    const config = {
      ...(aspect_ratio !== undefined && { aspect_ratio }),
      ...(resolution !== undefined && { image_size: resolution }),
      ...(isObject(image_config) && image_config),
    }
    const parts = pictures.map((url): JsonObject => ({ type: 'image_url', image_url: { url } }))
    return {
      model,
      messages: [{ role: 'user', content: parts.length === 0 ? prompt : [{ type: 'text', text: prompt }, ...parts] }],
      modalities: isSilent(model) ? ['image'] : ['image', 'text'],
      ...(Object.keys(config).length > 0 && { image_config: config }),
      ...own,
    }
  },
  read({ choices, usage }): Drawn | null {
    const [choice] = Array.isArray(choices) ? choices.filter(isObject) : []
    const message = isObject(choice?.message) ? choice.message : {}
    const pictures = (Array.isArray(message.images) ? message.images.filter(isObject) : [])
      .map(({ image_url }) => (isObject(image_url) ? text(image_url.url) : ''))
      .filter(url => url.startsWith('data:image/'))
    return { pictures, ...(isObject(usage) && { usage: parseUsage(usage) }) }
  },
}

/** Every model is asked: which ones draw, only their list knows. */
export const images: Codec = drawnPictures(drawing)
export const imageEdits: Codec<FormRequest> = drawnEdits(drawing)
