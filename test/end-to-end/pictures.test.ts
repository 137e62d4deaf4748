import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Gateway, startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { picture, sound, startMockPictures } from '../support/mock-pictures.ts'

/** Pictures and sound of vendors with a way of their own, through a whole gateway. */

async function start(t: Lifetime): Promise<Gateway> {
  const vendor = await startMockPictures(t)
  const at = (virtual_key: string, base: string, models: string[], more: object = {}) => ({
    virtual_key,
    api_key: `${virtual_key}-canary-key`,
    base_url: `${vendor.url}/${base}`,
    models,
    ...more,
  })
  const workers = ['@cf/black-forest-labs/flux-1-schnell', '@cf/bytedance/stable-diffusion-xl-lightning']
  const heard = ['@cf/openai/whisper-large-v3-turbo', '@cf/openai/whisper', '@cf/deepgram/aura-1']
  const fireworks = ['flux-1-schnell-fp8', 'flux-kontext-pro'].map(name => `accounts/fireworks/models/${name}`)
  return startGateway(t, {
    config: {
      strategy: { mode: 'fallback' },
      targets: [
        at(
          'cloudflare',
          'cloudflare/ai/v1',
          [...workers, ...heard, '@cf/baai/bge-reranker-base', '@cf/nobody/stable-diffusion-none'],
          {
            account_id: 'a1',
          },
        ),
        at('fireworks', 'fireworks', fireworks),
        at('novita', 'novita/openai/v1', ['seedream-4.0', 'sd_xl.safetensors', 'minimax-speech-02-turbo', 'glm-asr']),
        at('qwen', 'compatible-mode/v1', ['qwen-image', 'qwen-image-edit']),
        at('nvidia-nim', 'nvidia', ['black-forest-labs/flux.1-dev']),
        at('openrouter', 'openrouter', ['google/gemini-2.5-flash-image']),
      ],
    },
  })
}

const b64 = picture.toString('base64')

function form(fields: Readonly<Record<string, string>>, name: string, file: Buffer, type: string): FormData {
  const made = new FormData()
  for (const [key, value] of Object.entries(fields)) made.set(key, value)
  made.set(name, new Blob([new Uint8Array(file)], { type }), 'file')
  return made
}

const post = (gateway: Gateway, path: string, body: object) =>
  gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function send(gateway: Gateway, path: string, data: FormData) {
  const encoded = new Response(data)
  const body = Buffer.from(await encoded.arrayBuffer())
  return gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': encoded.headers.get('content-type')! },
    body,
  })
}

test('pictures of every vendor, as base64 or by address, one call or many', async t => {
  const gateway = await start(t)
  const draw = async (model: string, more: object = {}) => {
    const { status, json, text } = await post(gateway, '/v1/images/generations', { model, prompt: 'a kite', ...more })
    assert.equal(status, 200, `${model}: ${text}`)
    return (json.data as Record<string, string>[]).map(({ url, b64_json }) => url ?? b64_json)
  }
  assert.deepEqual(await draw('@cf/black-forest-labs/flux-1-schnell', { n: 2, size: '1024x1024' }), [b64, b64])
  assert.deepEqual(await draw('@cf/bytedance/stable-diffusion-xl-lightning', { n: 2, size: '512x768' }), [b64, b64])
  assert.deepEqual(await draw('accounts/fireworks/models/flux-1-schnell-fp8', { size: '1536x1024' }), [b64])
  assert.deepEqual(await draw('accounts/fireworks/models/flux-kontext-pro'), ['https://cdn.test/k.png'])
  assert.deepEqual(await draw('seedream-4.0', { size: '2048x2048' }), ['https://cdn.test/s.png'])
  const made = ['https://cdn.test/1.png', 'https://cdn.test/2.png']
  assert.deepEqual(await draw('sd_xl.safetensors', { n: 2 }), made)
  assert.deepEqual(await draw('qwen-image', { n: 2 }), ['https://cdn.test/q1.png', 'https://cdn.test/q1.png'])
  assert.deepEqual(await draw('black-forest-labs/flux.1-dev', { size: '1024x1024' }), [b64])
  assert.deepEqual(await draw('google/gemini-2.5-flash-image', { quality: 'high' }), [b64])
  const nobody = await post(gateway, '/v1/images/generations', {
    model: '@cf/nobody/stable-diffusion-none',
    prompt: 'a kite',
  })
  assert.equal(nobody.status, 404)
})

test('edits, rankings, transcripts and speech of vendors with a way of their own', async t => {
  const gateway = await start(t)
  const edit = async (model: string) => {
    const data = form({ model, prompt: 'a red one' }, 'image', picture, 'image/png')
    const { status, json, text } = await send(gateway, '/v1/images/edits', data)
    assert.equal(status, 200, `${model}: ${text}`)
    return (json.data as Record<string, string>[]).map(({ url, b64_json }) => url ?? b64_json)
  }
  assert.deepEqual(await edit('accounts/fireworks/models/flux-kontext-pro'), ['https://cdn.test/k.png'])
  assert.deepEqual(await edit('seedream-4.0'), ['https://cdn.test/s.png'])
  assert.deepEqual(await edit('qwen-image-edit'), ['https://cdn.test/q2.png'])
  assert.deepEqual(await edit('google/gemini-2.5-flash-image'), [b64])

  const ranked = await post(gateway, '/v1/rerank', {
    model: '@cf/baai/bge-reranker-base',
    query: 'kites',
    documents: ['wind', 'rope'],
  })
  assert.deepEqual(
    (ranked.json.results as { index: number }[]).map(({ index }) => index),
    [0, 1],
  )

  const long = Buffer.alloc(3 << 20, 7)
  const hear = (model: string, path = 'transcriptions', more: object = {}) =>
    send(gateway, `/v1/audio/${path}`, form({ model, ...more }, 'file', long, 'audio/wav'))
  assert.deepEqual((await hear('@cf/openai/whisper')).json, { text: `${long.length} bytes` })
  assert.equal((await hear('@cf/openai/whisper-large-v3-turbo')).json.text, 'transcribed')
  assert.equal((await hear('@cf/openai/whisper-large-v3-turbo', 'translations')).json.text, 'translated')
  const subtitles = await hear('@cf/openai/whisper-large-v3-turbo', 'transcriptions', { response_format: 'vtt' })
  assert.match(subtitles.text, /^WEBVTT\n\n00:00:00\.000 --> 00:00:01\.000\nHi\n/)
  assert.deepEqual((await hear('glm-asr')).json, { text: `${long.length} bytes` })

  for (const model of ['@cf/deepgram/aura-1', 'minimax-speech-02-turbo']) {
    const said = await post(gateway, '/v1/audio/speech', { model, input: 'Hi.', voice: 'alloy' })
    assert.deepEqual([said.status, said.headers['content-type'], said.text], [200, 'audio/mpeg', sound.toString()])
  }
})
