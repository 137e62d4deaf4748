import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { featureExtraction, speechRecognition, textToImage } from './dialects/hugging-face.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** Tasks are next to the chat of all providers. */
const tasks = ({ settings }: TargetContext): string =>
  `${apiRoot(settings.baseUrl, '/v1').replace(/\/v1$/, '')}/hf-inference`

/** https://huggingface.co/docs/inference-providers/tasks/chat-completion */
export const huggingFace = defineProvider({
  id: 'hugging-face',
  aliases: ['huggingface', 'hugging_face', 'hf'],
  ...hosted({
    root: 'https://router.huggingface.co/v1',
    env: 'HUGGING_FACE',
    keyAliases: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    baseUrlEnv: 'HUGGING_FACE_ENDPOINT',
    help: 'a token that may call Inference Providers',
  }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true },
  imageFormats: ['b64_json'],
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: featureExtraction({ root: tasks }),
    images: textToImage({ root: tasks }),
    transcriptions: speechRecognition({ root: tasks }),
  },
  anyModel: true,
  models: ['meta-llama/Llama-3.3-70B-Instruct', 'openai/gpt-oss-120b', 'Qwen/Qwen3-32B'],
  notes:
    'A model may end in `:PROVIDER`, `:fastest` or `:cheapest`. Vectors, pictures and transcripts come from its own machines.',
})
