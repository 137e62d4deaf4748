import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot, versionOf } from './base-url.ts'
import { imageEdits, images } from './dialects/fireworks/images.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const root = 'https://api.fireworks.ai/inference/v1'

/** Sound is heard by hosts of its own. https://docs.fireworks.ai/api-reference/audio-transcriptions */
const ears: Readonly<Record<string, string>> = {
  'whisper-v3': 'https://audio-prod.api.fireworks.ai/v1',
  'whisper-v3-turbo': 'https://audio-turbo.api.fireworks.ai/v1',
}

const audio = {
  relay: 'normalise',
  serves: (model: string) => Object.hasOwn(ears, model),
  // Behind a base URL of one's own everything is behind it.
  root: ({ model, settings }: TargetContext) =>
    settings.baseUrl === root && Object.hasOwn(ears, model) ? ears[model] : apiRoot(settings.baseUrl, versionOf(root)),
} as const

/** https://docs.fireworks.ai/api-reference/post-chatcompletions */
export const fireworks = defineProvider({
  id: 'fireworks',
  aliases: ['fireworks_ai', 'fireworks-ai'],
  ...hosted({ root, env: 'FIREWORKS', keyAliases: ['FIREWORKS_AI_API_KEY'] }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true }),
    images,
    imageEdits,
    transcriptions: openai.transcriptions({ ...audio, path: '/audio/transcriptions' }),
    translations: openai.translations({ ...audio, path: '/audio/translations' }),
  },
  anyModel: true,
  models: [
    'accounts/fireworks/models/deepseek-v3p1',
    'accounts/fireworks/models/gpt-oss-120b',
    'accounts/fireworks/models/llama-v3p3-70b-instruct',
    'nomic-ai/nomic-embed-text-v1.5',
    'accounts/fireworks/models/flux-1-schnell-fp8',
    'accounts/fireworks/models/flux-kontext-pro',
    'whisper-v3',
    'whisper-v3-turbo',
  ],
  notes:
    'Models are named `accounts/fireworks/models/…`. FLUX and Stable Diffusion give pictures, FLUX Kontext addresses of pictures.',
})
