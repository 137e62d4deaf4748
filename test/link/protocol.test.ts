import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { fixedHeaders, HeaderBlock } from '../../src/core/header-block.ts'
import { forwardedHeaders, type Incoming, type IncomingListener } from '../../src/core/incoming.ts'
import type { Reply, RequestHead } from '../../src/downstream/engine.ts'
import { type AcceptorLimits, AcceptorLink } from '../../src/link/acceptor-side.ts'
import { ConsumerLink } from '../../src/link/consumer-side.ts'
import { exchangeId, Kind, pairLayout, roster, ThreadState } from '../../src/shared/layout.ts'
import { framesShownTogether, RingReader, RingWriter } from '../../src/shared/ring.ts'

const acceptor = 1
const ringBytes = 64 << 10
const headers = new HeaderBlock('0123456789abcdef0123456789abcdef', fixedHeaders(''), '')
const deaf: IncomingListener = { onBody() {}, onDrain() {}, onCancel() {} }

function createLink(words: Int32Array, limits: Partial<AcceptorLimits> = {}): AcceptorLink {
  return new AcceptorLink({
    thread: acceptor,
    roster: words,
    limits: {
      maxRequestBytes: 8 << 20,
      uploadBytes: {},
      bodyTimeoutMs: 600_000,
      writeStallTimeoutMs: 600_000,
      wantsRemote: false,
      ...limits,
    },
    newRequestId: () => '0123456789abcdef0123456789abcdef',
    isMainAlive: () => true,
    onRefused: () => {},
  })
}

/** A pair of rings to a worker in row `thread`, known to the acceptor. */
function addWorker(link: AcceptorLink, words: Int32Array, thread: number) {
  const layout = pairLayout(ringBytes, 1024)
  const buffer = new SharedArrayBuffer(layout.bytes)
  Atomics.store(words, roster.state(thread), ThreadState.live)
  link.addConsumer(thread, buffer, layout, 'worker')
  return { layout, buffer }
}

/** A request without a body, and the status of its answer (0 = none yet). */
function ask(link: AcceptorLink, value = '') {
  const answer = { status: 0 }
  const head: RequestHead = {
    method: 'GET',
    target: '/v1/any',
    remoteAddress: '',
    bodyLength: 0,
    header: name => (name === 'baggage' ? value : ''),
    forwarded: forwardedHeaders.map(name => (name === 'baggage' ? value : '')),
  }
  const reply = {
    whole: (status: number) => void (answer.status = status),
    head: (status: number) => void (answer.status = status),
    write: () => true,
    end() {},
    abort() {},
    pauseBody() {},
    resumeBody() {},
  } satisfies Reply
  const events = link.onRequest(head, reply)
  events?.onBody(new Uint8Array(0), true)
  return answer
}

const silent: Reply = {
  whole() {},
  head() {},
  write: () => true,
  end() {},
  abort() {},
  pauseBody() {},
  resumeBody() {},
}

const newWords = (): Int32Array => new Int32Array(new SharedArrayBuffer(roster.bytes))

/** A worker's end, and what it was given. */
function createConsumer(words: Int32Array) {
  const taken: Incoming[] = []
  const consumer = new ConsumerLink(2, words, incoming => {
    taken.push(incoming)
    return deaf
  })
  return { consumer, taken }
}

/** Both ends, which know each other. */
function connected() {
  const words = newWords()
  const link = createLink(words)
  const { buffer, layout } = addWorker(link, words, 2)
  const { consumer, taken } = createConsumer(words)
  consumer.addAcceptor(acceptor, buffer, layout)
  return { link, consumer, taken }
}

test('a request that came before its worker knew the rings is served when it does', () => {
  const words = newWords()
  const link = createLink(words)
  const { buffer, layout } = addWorker(link, words, 2)
  const { consumer, taken } = createConsumer(words)
  ask(link)
  link.flush()
  consumer.serve(acceptor)
  consumer.addAcceptor(acceptor, buffer, layout)
  assert.equal(taken.length, 1)
})

test('a worker shows life in the midst of a long turn, while it takes requests and while it answers them', () => {
  const words = newWords()
  const link = createLink(words)
  const { buffer, layout } = addWorker(link, words, 2)
  const taken: Incoming[] = []
  const beats = new Map<number, number>()
  const note = (): void => {
    const beat = Atomics.load(words, roster.beat(2))
    beats.set(beat, (beats.get(beat) ?? 0) + 1)
  }
  const consumer = new ConsumerLink(2, words, incoming => {
    taken.push(incoming)
    note()
    return deaf
  })
  for (let i = 0; i < 100; i++) ask(link)
  link.flush()
  consumer.addAcceptor(acceptor, buffer, layout)
  assert.equal(taken.length, 100)
  assert.ok(Math.max(...beats.values()) <= 16, 'requests between two beats')
  beats.clear()
  for (const incoming of taken) {
    incoming.whole(200, headers, 'x')
    note()
  }
  assert.ok(Math.max(...beats.values()) <= framesShownTogether, 'answers between two beats')
})

test('a request whose workers die of it is given to a second one, never to a third', () => {
  const words = newWords()
  const link = createLink(words)
  let taken = 0
  const threads = [2, 3, 4].map(thread => ({ thread, ...addWorker(link, words, thread) }))
  const answer = ask(link)
  for (let deaths = 0; deaths < 3; deaths++) {
    link.flush()
    for (const { thread, buffer, layout } of threads) {
      const before = taken
      const consumer = new ConsumerLink(thread, words, () => {
        taken++
        return deaf
      })
      consumer.addAcceptor(acceptor, buffer, layout)
      if (taken === before) continue
      Atomics.store(words, roster.state(thread), ThreadState.dead)
      link.removeConsumer(thread)
    }
  }
  assert.deepEqual([taken, answer.status], [2, 502])
  assert.equal(link.inFlight, 0)
})

test('requests that find no room leave nothing in what is kept for frames that must not wait', async () => {
  const words = newWords()
  const link = createLink(words)
  const { buffer, layout } = addWorker(link, words, 2)
  // No worker reads: a few fill the ring, the rest wait.
  for (let i = 0; i < 300; i++) ask(link, 'x'.repeat(4000))
  await turn()
  const reader = new RingReader(buffer, layout.requests)
  const kinds = new Set<number>()
  while (reader.next()) kinds.add(reader.kind)
  assert.deepEqual([...kinds], [Kind.request])
})

test('a head that no ring has room for is refused, not kept waiting', () => {
  const words = newWords()
  const link = createLink(words)
  addWorker(link, words, 2)
  assert.equal(ask(link, 'x'.repeat(60_000)).status, 431)
  assert.equal(ask(link, 'x'.repeat(30_000)).status, 0)
  assert.equal(link.inFlight, 1)
})

test('an upload goes on although its credits found a ring without any room', async () => {
  const words = newWords()
  const layout = pairLayout(ringBytes, 1024)
  const buffer = new SharedArrayBuffer(layout.bytes)
  const writer = new RingWriter(buffer, layout.requests)
  const reader = new RingReader(buffer, layout.responses)
  const { consumer, taken } = createConsumer(words)
  consumer.addAcceptor(acceptor, buffer, layout)
  let slots = 0
  const send = (kind: number, id: number, payload: number): void => {
    const meta = kind === Kind.request ? '0000 POST /v1/any\n\n' : ''
    const at = writer.reserve(id, kind, 0, 0, meta.length, payload, kind === Kind.cancel)
    assert.ok(at >= 0)
    writer.bytes.latin1Write(meta, at)
    writer.commit()
    writer.publish()
    consumer.serve(acceptor)
  }
  const open = (): number => {
    const id = exchangeId(slots++, 1)
    send(Kind.request, id, 0)
    return id
  }
  const upload = open()
  open()
  taken[1].head(200, headers, -1, true)
  while (taken[1].write(Buffer.alloc(1000)));
  // What is kept for urgent frames goes to those who leave.
  for (let i = 0; i < 300; i++) send(Kind.cancel, open(), 0)
  for (let sent = 0; sent < 256 << 10; sent += 8 << 10) send(Kind.body, upload, 8 << 10)
  let acknowledged = 0
  for (let i = 0; i < 50; i++) {
    while (reader.next()) if (reader.kind === Kind.ack && reader.id === upload) acknowledged += reader.metaLength
    reader.release()
    consumer.serve(acceptor)
    await turn()
  }
  assert.equal(acknowledged, 256 << 10)
})

test('a route may take longer bodies than the others: declared or counted, with a query or without', () => {
  const limits = { maxRequestBytes: 100, uploadBytes: { '/v1/recordings': 200, '/v1/small': 10 } }
  const status = (target: string, declared: number, came: number): number => {
    const link = createLink(newWords(), limits)
    let answered = 0
    const refuse = (given: number): void => void (answered = given)
    const reply = { ...silent, whole: refuse, head: refuse }
    const forwarded = forwardedHeaders.map(() => '')
    const head = { method: 'POST', target, remoteAddress: '', bodyLength: declared, header: () => '', forwarded }
    link.onRequest(head, reply)?.onBody(Buffer.alloc(came), false)
    return answered
  }
  for (const target of ['/v1/recordings', '/v1/recordings?x=1'])
    for (const [declared, came] of [
      [-1, 200],
      [200, 200],
    ])
      assert.equal(status(target, declared, came), 0, `${target} ${declared}`)
  for (const [target, most] of [
    ['/v1/recordings', 200],
    ['/v1/recordings?x=1', 200],
    ['/v1/recordings/', 100],
    ['/v1/other', 100],
    ['constructor', 100],
    // Shorter than what holds for all, which then holds.
    ['/v1/small', 100],
  ] as const) {
    assert.equal(status(target, most + 1, 0), 413, target)
    assert.equal(status(target, -1, most + 1), 413, target)
    assert.equal(status(target, -1, most), 0, target)
  }
})

test('events that may wait for those of others are shown soon, and at once with what may not wait', async () => {
  const { link, consumer, taken } = connected()
  const came = ['', '']
  for (const stream of [0, 1]) {
    const write = (bytes: Uint8Array): boolean => {
      came[stream] += Buffer.from(bytes).toString()
      return true
    }
    const head = { method: 'GET', target: '/v1/any', remoteAddress: '', bodyLength: 0, header: () => '' }
    const forwarded = forwardedHeaders.map(() => '')
    const end = (): void => void (came[stream] += '.')
    link.onRequest({ ...head, forwarded }, { ...silent, write, end })?.onBody(new Uint8Array(0), true)
  }
  link.flush()
  consumer.serve(acceptor)
  for (const incoming of taken) incoming.head(200, headers, -1, true)
  const [one, two] = taken

  // The first of them rings; the others find that it has just rung, and nothing but time shows them.
  one.write('1')
  consumer.flush()
  one.write('2')
  two.write('a')
  one.write('3')
  for (let waited = 0; came[0] !== '123' || came[1] !== 'a'; waited++) {
    assert.ok(waited < 5000, `shown so far: ${came}`)
    await new Promise(resolve => setTimeout(resolve, 1))
    link.serve(2)
  }

  two.write('b')
  consumer.flush()
  two.write('c')
  one.write('4')
  one.end()
  await turn()
  link.serve(2)
  assert.deepEqual(came, ['1234.', 'abc'])
})

test('many frames of one turn are shown before it ends, in both directions', () => {
  const { link, consumer, taken } = connected()
  const asked = 3 * framesShownTogether + 1
  const answers = Array.from({ length: asked }, () => ask(link))
  consumer.serve(acceptor)
  assert.equal(taken.length, asked - 1)
  link.flush()
  consumer.serve(acceptor)
  for (const incoming of taken) incoming.whole(200, headers, '')
  link.serve(2)
  assert.equal(answers.filter(({ status }) => status === 200).length, asked - 1)
  consumer.flush()
  link.serve(2)
  assert.ok(answers.every(({ status }) => status === 200))
})
