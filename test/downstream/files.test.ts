import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { RawClient } from '../support/raw-client.ts'
import { type Kind, kinds } from './harness.ts'

async function startProcess(t: TestContext, kind: Kind, fileLimit: number): Promise<number> {
  const script = fileURLToPath(new URL('./engine-process.js', import.meta.url))
  const command = `ulimit -n ${fileLimit} && exec "$0" "$1" ${kind}`
  const child = spawn('/bin/sh', ['-c', command, process.execPath, script], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => {
    child.stdin.end()
    return once(child, 'exit')
  })
  const [line] = await once(child.stdout, 'data')
  return Number(String(line))
}

for (const kind of kinds) {
  test(`${kind}: more connections than there are descriptors neither stop nor slow those that are served`, {
    skip: process.platform === 'win32',
  }, async t => {
    const port = await startProcess(t, kind, 300)
    const served = await RawClient.connect(t, port)
    await served.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    assert.equal((await served.response()).status, 200)
    for (let wave = 0; wave < 3; wave++) {
      const flood = await Promise.all(Array.from({ length: 600 }, () => RawClient.connect(t, port)))
      await served.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      const response = await served.response()
      assert.ok(response.status === 200 || response.status === 503)
      for (const client of flood) client.socket.destroy()
      if (response.headers['connection'] === 'close') break
    }
    // Room is found again once the flood is gone.
    let status = 0
    for (let attempt = 0; attempt < 100 && status !== 200; attempt++) {
      const late = await RawClient.connect(t, port)
      await late.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      status = await late.response().then(
        response => response.status,
        () => 0,
      )
    }
    assert.equal(status, 200)
  })
}
