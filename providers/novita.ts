import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { imageEdits, images } from './dialects/novita/images.ts'
import { speech } from './dialects/novita/speech.ts'
import { transcriptions } from './dialects/novita/transcriptions.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** Pictures and sound have an API of their own beside the OpenAI-compatible one. */
const own = ({ settings }: TargetContext): string => `${new URL(settings.baseUrl).origin}/v3`

/** https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion */
export const novita = defineProvider({
  id: 'novita',
  aliases: ['novita-ai'],
  ...hosted({ root: 'https://api.novita.ai/openai/v1', env: 'NOVITA' }),
  discovery: openaiModels,
  forward: { proxy: 'any', files: true },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise' }),
    // https://novita.ai/docs/api-reference/model-apis-llm-create-rerank
    rerank: openai.rerank({ path: '/rerank', relay: 'normalise' }),
    images: images(own),
    imageEdits: imageEdits(own),
    speech: speech(own),
    transcriptions: transcriptions(own),
  },
  imageFormats: ['url'],
  anyModel: true,
  models: [
    'deepseek/deepseek-v3.1',
    'meta-llama/llama-3.3-70b-instruct',
    'openai/gpt-oss-120b',
    'baai/bge-m3',
    'seedream-4.0',
    'minimax-speech-2.8-turbo',
    'glm-asr',
  ],
  notes:
    'Pictures: Seedream, and checkpoints of Stable Diffusion by the names of their files (`….safetensors`); they come as addresses.',
})
