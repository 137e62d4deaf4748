import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Answer, Ask } from './support/log-child.ts'

const childFile = new URL('./support/log-child.js', import.meta.url).pathname
const unix = { skip: process.platform === 'win32', timeout: 60_000 }
/** More than any pipe or socket buffer, and more than the child's queue. */
const flood = 6_000

async function startChild(t: TestContext, stdout: number | 'pipe') {
  const child: ChildProcess = spawn(process.execPath, [childFile], { stdio: ['ignore', stdout, 'inherit', 'ipc'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return {
    child,
    async ask(ask: Ask): Promise<Answer> {
      child.send(ask)
      const [answer] = await once(child, 'message')
      return answer
    },
    async exit(): Promise<number | null> {
      child.send({ exit: true })
      const [code] = await once(child, 'exit')
      return code
    },
  }
}

/** A pipe that stays open on both sides while the test runs. Each has a mode of its own: only reading never blocks. */
function makePipe(t: TestContext): { reader: number; writer: number } {
  const directory = fs.mkdtempSync(join(tmpdir(), 'log-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  execFileSync('mkfifo', [join(directory, 'pipe')])
  const reader = fs.openSync(join(directory, 'pipe'), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  const writer = fs.openSync(join(directory, 'pipe'), fs.constants.O_WRONLY)
  t.after(() => fs.closeSync(reader))
  t.after(() => fs.closeSync(writer))
  return { reader, writer }
}

/** All there is to read right now. */
function readAvailable(fd: number): string {
  const chunk = Buffer.alloc(64 * 1024)
  let text = ''
  for (;;) {
    try {
      text += chunk.toString('utf8', 0, fs.readSync(fd, chunk))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
      return text
    }
  }
}

const parseLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

test('a pipe that nobody reads costs lines, never the process or its exit', unix, async t => {
  const { ask, exit } = await startChild(t, makePipe(t).writer)
  const first = await ask({ log: flood })
  assert.ok(first.dropped > 0 && first.dropped < flood)
  assert.equal((await ask({ log: 10 })).dropped, first.dropped + 10, 'the newest go')
  assert.equal((await ask({ flush: 20 })).flushed, false)
  assert.equal(await exit(), 0)
})

test('when the reader of a pipe comes back, one line says how many were lost, and none is torn', unix, async t => {
  const { reader, writer } = makePipe(t)
  const { ask, exit } = await startChild(t, writer)
  const { dropped } = await ask({ log: flood })
  let text = ''
  for (let flushed = false; !flushed; flushed = (await ask({ flush: 5 })).flushed) text += readAvailable(reader)
  text += readAvailable(reader)
  await ask({ log: 1 })
  assert.equal((await ask({ flush: 1_000 })).flushed, true)
  const lines = parseLines(text + readAvailable(reader))
  assert.deepEqual(
    lines.filter(line => line.msg === 'log records dropped').map(line => line.count),
    [dropped],
  )
  assert.deepEqual(
    lines.filter(line => line.msg === 'line').map(line => line.n),
    [...Array(flood - dropped).keys(), flood],
  )
  assert.equal(await exit(), 0)
})

test('a socket that nobody reads behaves like a pipe', unix, async t => {
  const { child, ask, exit } = await startChild(t, 'pipe')
  let logged = 0
  let answer: Answer = { dropped: 0, flushed: true }
  for (; answer.flushed; answer = await ask({ flush: 50 }), logged += flood) await ask({ log: flood })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  for (let flushed = false; !flushed; ) flushed = (await ask({ flush: 500 })).flushed
  const closed = once(child, 'close')
  assert.equal(await exit(), 0)
  await closed
  const lines = parseLines(text)
  assert.ok(answer.dropped > 0)
  assert.equal(lines.filter(line => line.msg === 'line').length, logged - answer.dropped)
  assert.equal(
    lines.reduce((sum, line) => sum + (line.msg === 'log records dropped' ? line.count : 0), 0),
    answer.dropped,
  )
})

test('a reader that is gone for good ends the log and nothing else', unix, async t => {
  const { child, ask, exit } = await startChild(t, 'pipe')
  await ask({ log: 1 })
  await ask({ flush: 1_000 })
  child.stdout?.destroy()
  await once(child.stdout!, 'close')
  let answer = await ask({ log: 10 })
  while (answer.dropped === 0) answer = await ask({ flush: 50 })
  assert.equal((await ask({ log: 10 })).dropped, answer.dropped + 10)
  assert.equal((await ask({ flush: 1_000 })).flushed, false)
  assert.equal(await exit(), 0)
})

test('a full disk costs lines, never the process', { ...unix, skip: !fs.existsSync('/dev/full') }, async t => {
  const fd = fs.openSync('/dev/full', 'w')
  t.after(() => fs.closeSync(fd))
  const { ask, exit } = await startChild(t, fd)
  assert.ok((await ask({ log: flood })).dropped > 0)
  assert.equal((await ask({ flush: 20 })).flushed, false)
  assert.equal(await exit(), 0)
})

test('a file has every line, in order', unix, async t => {
  const directory = fs.mkdtempSync(join(tmpdir(), 'log-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  const file = join(directory, 'out.log')
  const fd = fs.openSync(file, 'w')
  const { ask, exit } = await startChild(t, fd)
  fs.closeSync(fd)
  for (let i = 0; i < 5; i++) {
    await ask({ log: 100 })
    await ask({ flush: 5_000 })
  }
  assert.equal(await exit(), 0)
  assert.deepEqual(
    parseLines(fs.readFileSync(file, 'utf8')).map(line => line.n),
    [...Array(500).keys()],
  )
})
