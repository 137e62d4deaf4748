import type { ServerResponse } from 'node:http'
import type { Lifetime } from './lifetime.ts'
import { json, type MockOpenAi, type MockRequest, startMockOpenAi } from './mock-openai.ts'

/**
 * Vendors whose pictures and sound are asked for in a way of their own, each below a path named after it: Workers AI
 * (`/cloudflare`), Fireworks, Novita, DashScope (`/api/v1`), NVIDIA, OpenRouter and Google's rankings. What the vendor would refuse is
 * refused: unknown fields, wrong types, a body of another kind, a key of another form.
 */
export const startMockPictures = (t: Lifetime): Promise<MockOpenAi> =>
  startMockOpenAi(t, async (request, response) => {
    try {
      await answer(request, response)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      json(response, error.status, JSON.stringify({ error: { message: error.message } }))
    }
  })

export const picture = Buffer.from('89504e470d0a1a0a', 'hex')
export const sound = Buffer.from('ID3 sound')

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

function must(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Refusal(422, why)
}

type Fields = Readonly<Record<string, unknown>>

/** The body, with nothing in it but these fields; those with a `!` must be there. */
function fieldsOf({ headers, body }: MockRequest, known: string): Fields {
  must(headers['content-type'] === 'application/json', `content type ${headers['content-type']}`)
  const asked = JSON.parse(body.toString('utf8')) as Fields
  const names = known.split(' ')
  for (const name of names) if (name.endsWith('!')) must(asked[name.slice(0, -1)] !== undefined, `${name} is missing`)
  const allowed = new Set(names.map(name => name.replace('!', '')))
  for (const name of Object.keys(asked)) must(allowed.has(name), `unknown field ${name}`)
  return asked
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isNumber = (value: unknown): boolean => value === undefined || typeof value === 'number'

function bytes(response: ServerResponse, type: string, body: Buffer): void {
  response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body)
}

async function answer(request: MockRequest, response: ServerResponse): Promise<void> {
  must(/^Bearer \S+$/.test(request.headers.authorization ?? ''), 'no key')
  const path = request.path
  const [, model = ''] = /^\/cloudflare\/ai\/run\/(@cf\/[\w-]+\/[\w.-]+)/.exec(path) ?? []
  if (model !== '') return workersAi(model, request, response)
  const say = (body: object): void => json(response, 200, JSON.stringify(body))
  switch (path.replace(/\?.*/, '')) {
    case '/fireworks/workflows/accounts/fireworks/models/flux-1-schnell-fp8/text_to_image': {
      const asked = fieldsOf(request, 'prompt! aspect_ratio seed guidance_scale num_inference_steps')
      must(request.headers.accept === 'image/png', `accept ${request.headers.accept}`)
      must(asked.aspect_ratio === undefined || /^\d+:\d+$/.test(String(asked.aspect_ratio)), 'aspect_ratio')
      return bytes(response, 'image/png', picture)
    }
    case '/fireworks/workflows/accounts/fireworks/models/flux-kontext-pro': {
      const asked = fieldsOf(request, 'prompt! input_image aspect_ratio seed')
      must(asked.input_image === undefined || String(asked.input_image).startsWith('data:image/'), 'input_image')
      return say({ request_id: 'r1' })
    }
    case '/fireworks/workflows/accounts/fireworks/models/flux-kontext-pro/get_result': {
      must(fieldsOf(request, 'id!').id === 'r1', 'id')
      const isReady = ++polls > 1
      return say({
        id: 'r1',
        status: isReady ? 'Ready' : 'Pending',
        result: isReady ? { sample: 'https://cdn.test/k.png' } : null,
      })
    }
    case '/v3/seedream-4.0':
      fieldsOf(request, 'prompt! images size sequential_image_generation max_images watermark')
      return say({ images: ['https://cdn.test/s.png'] })
    case '/v3/async/txt2img': {
      const { request: asked } = fieldsOf(request, 'request! extra')
      const { model_name, width, steps, image_num } = asked as Fields
      must(isText(model_name) && isNumber(width) && isNumber(steps) && image_num === 2, 'request')
      return say({ task_id: 't1' })
    }
    case '/v3/async/task-result':
      must(request.method === 'GET' && path.endsWith('?task_id=t1'), 'task_id')
      return say({
        task: { task_id: 't1', status: 'TASK_STATUS_SUCCEED' },
        images: [{ image_url: 'https://cdn.test/1.png' }, { image_url: 'https://cdn.test/2.png' }],
      })
    case '/v3/minimax-speech-02-turbo': {
      const asked = fieldsOf(request, 'text! voice_setting! audio_setting output_format stream language_boost')
      must(isText((asked.voice_setting as Fields).voice_id) && asked.output_format === 'hex', 'voice_setting')
      return say({ audio: sound.toString('hex'), status: 2 })
    }
    case '/v3/glm-asr': {
      const { file } = fieldsOf(request, 'file! prompt hotwords')
      return say({ text: `${Buffer.from(String(file), 'base64').length} bytes` })
    }
    case '/api/v1/services/aigc/multimodal-generation/generation': {
      const { input, parameters } = fieldsOf(request, 'model! input! parameters')
      const [{ content }] = (input as { messages: { content: Fields[] }[] }).messages
      must(
        content.some(({ text }) => isText(text)),
        'input.messages',
      )
      must(!Object.hasOwn((parameters ?? {}) as object, 'n'), 'one picture a request')
      const made = [{ image: `https://cdn.test/q${content.length}.png` }]
      return say({
        output: { choices: [{ message: { role: 'assistant', content: made } }] },
        usage: { image_count: 1 },
      })
    }
    case '/nvidia/infer': {
      const { width, height } = fieldsOf(request, 'prompt! width height seed steps cfg_scale mode')
      must(width === 1024 && height === 1024, 'only 1024')
      return say({ artifacts: [{ base64: picture.toString('base64'), finishReason: 'SUCCESS', seed: 1 }] })
    }
    case '/openrouter/chat/completions': {
      const { modalities } = fieldsOf(request, 'model! messages! modalities! image_config seed')
      must(Array.isArray(modalities) && modalities.includes('image'), 'modalities')
      const url = `data:image/png;base64,${picture.toString('base64')}`
      return say({
        choices: [{ message: { role: 'assistant', content: '', images: [{ type: 'image_url', image_url: { url } }] } }],
        usage: { prompt_tokens: 6, completion_tokens: 9, total_tokens: 15 },
      })
    }
    default:
      throw new Refusal(404, `there is nothing at ${path}`)
  }
}

let polls = 0

function workersAi(model: string, request: MockRequest, response: ServerResponse): void {
  const say = (result: object): void =>
    json(response, 200, JSON.stringify({ result, success: true, errors: [], messages: [] }))
  switch (model) {
    case '@cf/black-forest-labs/flux-1-schnell':
      fieldsOf(request, 'prompt! steps seed')
      return say({ image: picture.toString('base64') })
    case '@cf/bytedance/stable-diffusion-xl-lightning':
      fieldsOf(request, 'prompt! negative_prompt width height num_steps guidance seed')
      return bytes(response, 'image/png', picture)
    case '@cf/baai/bge-reranker-base': {
      const { contexts } = fieldsOf(request, 'query! contexts! top_k')
      must(
        (contexts as Fields[]).every(({ text }) => isText(text)),
        'contexts',
      )
      return say({
        response: [
          { id: 1, score: 0.1 },
          { id: 0, score: 0.8 },
        ],
      })
    }
    case '@cf/openai/whisper-large-v3-turbo': {
      const { task } = fieldsOf(request, 'audio! task language initial_prompt')
      return say({
        text: `${String(task)}d`,
        segments: [{ start: 0, end: 1, text: 'Hi' }],
        transcription_info: { duration: 1 },
      })
    }
    case '@cf/openai/whisper':
      must(request.headers['content-type'] === 'application/octet-stream', 'sound is sent as it is')
      return say({ text: `${request.body.length} bytes` })
    case '@cf/deepgram/aura-1': {
      const { encoding } = fieldsOf(request, 'text! speaker encoding container sample_rate bit_rate')
      must(encoding === 'mp3', 'encoding')
      return bytes(response, 'audio/mpeg', sound)
    }
    default:
      json(response, 400, '{"success":false,"errors":[{"code":5007,"message":"No such model"}],"result":null}')
  }
}
