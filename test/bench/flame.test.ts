import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flameGraph } from '../../bench/flame/flame-svg.ts'
import { foldProfile } from '../../bench/flame/fold.ts'

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 0, columnNumber: 0 })

const profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 6] },
    { id: 2, callFrame: frame('', 'file:///x/dist/worker.js'), children: [4, 5] },
    { id: 3, callFrame: frame('(idle)') },
    { id: 4, callFrame: frame('parse', 'file:///x/dist/worker.js') },
    { id: 5, callFrame: frame('parse', 'file:///x/dist/worker.js') },
    { id: 6, callFrame: frame('(garbage collector)') },
  ],
  samples: [2, 4, 5, 3, 6],
  timeDeltas: [10, 20, 30, 1000, 40],
}

test('a profile folds into its busy time: waiting is left out, calls of one function are drawn as one', () => {
  const thread = foldProfile(profile, () => null)
  assert.equal(thread.name, 'worker')
  assert.equal(thread.totalUs, 100)
  const entry = thread.children.get('(anonymous) worker.js')
  assert.equal(entry?.totalUs, 60)
  assert.equal(entry?.children.get('parse worker.js')?.totalUs, 50)
  assert.equal(thread.children.get('(garbage collector)')?.totalUs, 40)
})

test('positions come from the source map where there is one', () => {
  const thread = foldProfile(profile, ({ url }) => (url === '' ? null : { file: 'src/a.ts', line: 7 }))
  assert.deepEqual([...thread.children.keys()], ['(anonymous) src/a.ts:7', '(garbage collector)'])
})

test('a flame graph is one file without links, and escapes names', () => {
  const svg = flameGraph(
    [
      foldProfile(
        {
          ...profile,
          nodes: profile.nodes.map(node => (node.id === 4 ? { ...node, callFrame: frame('<a&b>') } : node)),
        },
        () => null,
      ),
    ],
    {
      title: 'x',
      subtitle: 'y',
    },
  )
  assert.ok(svg.includes('&lt;a&amp;b&gt;'))
  assert.ok(svg.startsWith('<svg xmlns='))
  assert.equal(/href|src=|@import/.test(svg), false)
})
