import assert from 'node:assert/strict'
import { test } from 'node:test'
import { perfProblem } from '../../bench/flame/perf-record.ts'
import { foldSamples, parsePerfScript } from '../../bench/flame/perf-stacks.ts'

// As `perf script` prints it: a worker in a system call, the same in script, in the collector; a helper of V8's; a main thread
// by a name with a space in it.
const text = `node 71    1001001 
\tffffffff8206e58b tcp_sendmsg ([kernel.kallsyms])
\tffffffff8225a6c1 do_syscall_64 ([kernel.kallsyms])
\t           f838f __GI___libc_write (/usr/lib/x86_64-linux-gnu/libc.so.6)
\t             106 Builtin:CallApiCallback (/tmp/x/jitted-70-9656.so)
\t             464 JS:*get awaits file:///app/dist/worker.js:12:43 (/tmp/x/jitted-70-15582.so)
\t               0 [unknown] ([unknown])
\t           891f5 start_thread (/usr/lib/x86_64-linux-gnu/libc.so.6)

node 71    1001001 
\t             464 JS:^onStreamRead node:internal/stream_base_commons:168:22 (/tmp/x/jitted-70-1.so)
\t             464 JS:* file:///app/dist/chunks/shared-AB.js:1:9 (/tmp/x/jitted-70-2.so)

node 71    2002002 
\t         1000000 v8::internal::Scavenger::ScavengeObject<v8::internal::FullHeapObjectSlot> (/usr/bin/node)
\t         1000001 v8::internal::Heap::CollectGarbage(v8::internal::AllocationSpace, int) (/usr/bin/node)
\t             464 JS:*get awaits file:///app/dist/worker.js:12:43 (/tmp/x/jitted-70-15582.so)

node 72    1001001 
\t         1000002 v8::internal::(anonymous namespace)::Work<int>::Run(int)::{lambda(void*)#1}::_FUN (/usr/bin/node)

my program 73    1001001 
\t            7777 [unknown] (/opt/engine.node)
`

const samples = parsePerfScript(text)

test('stacks are read outermost first, without the frames perf could not place', () => {
  assert.equal(samples.length, 5)
  assert.deepEqual(
    samples[0].frames.map(({ symbol }) => symbol),
    [
      'start_thread',
      'JS:*get awaits file:///app/dist/worker.js:12:43',
      'Builtin:CallApiCallback',
      '__GI___libc_write',
      'do_syscall_64',
      'tcp_sendmsg',
    ],
  )
  assert.equal(samples[0].us, 1001.001)
  assert.equal(samples[4].command, 'my program')
  assert.equal(samples[4].thread, 73)
})

test('a thread is named by its script, and its time goes to whose code the innermost frame is', () => {
  const threads = foldSamples(samples, ({ url, lineNumber, columnNumber }) =>
    url.startsWith('file:///app/dist/worker.js')
      ? { file: 'src/a.ts', line: lineNumber * 100 + columnNumber, name: undefined }
      : null,
  )
  assert.deepEqual(
    threads.map(({ graph }) => [graph.name, Math.round(graph.totalUs)]),
    [
      ['worker', 4004],
      ['V8 helpers', 1001],
      ['my program', 1001],
    ],
  )
  const [worker, helpers, other] = threads
  assert.deepEqual(Object.fromEntries(Object.entries(worker.us).map(([part, us]) => [part, Math.round(us)])), {
    kernel: 1001,
    'own script': 0,
    "Node's script": 1001,
    'V8 and Node': 0,
    collector: 2002,
    'other native': 0,
  })
  assert.equal(Math.round(helpers.us['V8 and Node']), 1001)
  assert.equal(Math.round(other.us['other native']), 1001)

  // Positions are those of the sources, both counted from zero; names lose what the compiler added.
  const getter = worker.graph.children.get('get awaits src/a.ts:1142')
  assert.equal(getter?.kind, 'ours')
  const collector = getter?.children.get('v8::internal::Heap::CollectGarbage')
  assert.equal(collector?.children.get('v8::internal::Scavenger::ScavengeObject')?.kind, 'collector')
  assert.equal(
    worker.graph.children
      .get('(anonymous) shared-AB.js')
      ?.children.get('onStreamRead node:internal/stream_base_commons')?.kind,
    'node',
  )
  assert.deepEqual([...other.graph.children.keys()], ['[engine.node]'])

  // A system call is drawn below what made it, without the entry code that all have in common.
  const start = worker.graph.children.get('start_thread')
  const write = start?.children
    .get('get awaits src/a.ts:1142')
    ?.children.get('CallApiCallback')
    ?.children.get('__GI___libc_write')
  assert.deepEqual(
    [...(write?.children.values() ?? [])].map(({ name, kind }) => [name, kind]),
    [['tcp_sendmsg', 'kernel']],
  )
})

test('of a deep kernel stack what lies next to the system call is kept', () => {
  const deep = Array.from({ length: 30 }, (_, index) => `\tffffffff81000000 inner${30 - index} ([kernel.kallsyms])`)
  const [{ graph, us }] = foldSamples(parsePerfScript(`nginx 5 1000000\n${deep.join('\n')}\n`), () => null)
  let [frame] = graph.children.values()
  const names = [frame.name]
  for (; frame.children.size > 0; names.push(frame.name)) [frame] = frame.children.values()
  assert.deepEqual(names, ['inner1', 'inner2', 'inner3', 'inner4', 'inner5', 'inner6', 'inner7', 'inner8'])
  assert.equal(us.kernel, 1000)
})

test('without perf it says what is needed', () => {
  const { PATH } = process.env
  process.env.PATH = ''
  try {
    assert.match(perfProblem('/tmp') ?? '', /perf is not on the PATH: it takes Linux, the package linux-perf/)
  } finally {
    process.env.PATH = PATH
  }
})
