import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { eventually, RawClient } from '../support/raw-client.ts'
import { type Kind, kinds } from './harness.ts'

interface Message {
  readonly port?: number
  readonly heard?: string
  readonly fault?: string
  readonly closes?: number
  readonly open?: number
  readonly active?: number
}

async function startThread(t: TestContext, kind: Kind) {
  const thread = new Worker(new URL('./engine-thread.js', import.meta.url), { workerData: { kind } })
  const messages: Message[] = []
  let exitCode: number | null = null
  thread.on('message', (message: Message) => messages.push(message))
  thread.on('exit', code => {
    exitCode = code
  })
  t.after(() => exitCode === null && thread.postMessage('stop'))
  await eventually(() => messages.length > 0, 'the port')
  return { thread, messages, port: messages[0].port!, exitCode: () => exitCode }
}

const get = (target: string, method = 'GET'): string => `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`

for (const kind of kinds) {
  test(`${kind}: a thread ends by itself after close, with idle connections, uploads and streams under way`, async t => {
    const { thread, messages, port, exitCode } = await startThread(t, kind)
    const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(t, port)))
    const [idle, used, waiting, streaming, full, uploading] = clients
    full.socket.pause()
    await used.send(get('/now'))
    assert.equal((await used.response()).status, 200)
    await waiting.send(get('/wait'))
    await streaming.send(get('/stream'))
    await full.send(get('/full'))
    await uploading.send('POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhal')
    await streaming.until(() => streaming.received.includes('first'), 'the stream')
    await eventually(() => messages.filter(message => message.heard !== undefined).length === 5, 'every request')
    thread.postMessage('stop')
    await eventually(() => exitCode() !== null, 'the thread to end')
    assert.equal(exitCode(), 0)
    const last = messages.at(-1)!
    assert.equal(last.open, 0)
    assert.equal(last.active, 0)
    assert.equal(last.closes, 4)
    full.socket.resume()
    await Promise.all([idle, used, waiting, streaming, full, uploading].map(client => client.closed()))
  })

  for (const [where, request] of [
    ['onRequest', get('/throw')],
    ['onBody', 'PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'],
    ['onBody without a body', 'PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n'],
  ]) {
    test(`${kind}: a throw in ${where} reaches the thread's own handler, which can still close the engine`, async t => {
      const { messages, port, exitCode } = await startThread(t, kind)
      const client = await RawClient.connect(t, port)
      await client.send(request)
      await client.closed()
      await eventually(() => exitCode() !== null, 'the thread to end')
      assert.equal(exitCode(), 0)
      assert.equal(messages.find(message => message.fault !== undefined)?.fault, 'broken listener')
      assert.equal(messages.at(-1)!.open, 0)
      assert.equal(messages.at(-1)!.active, 0)
    })
  }

  test(`${kind}: a thread that never had a connection ends after close`, async t => {
    const { thread, exitCode } = await startThread(t, kind)
    const exit = once(thread, 'exit')
    thread.postMessage('stop')
    await exit
    assert.equal(exitCode(), 0)
  })
}
