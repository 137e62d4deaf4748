import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../catalog/support.ts'

interface Script {
  differences(before: object, after: object): string[]
  write(document: object): string
  counts(document: object): Record<string, number>
  generate(): Promise<{ sections: { id: string; models: { id: string; source?: string }[] }[] }>
}
const script = (await import(pathToFileURL(`${root}scripts/catalog.js`).href)) as Script

test('the catalog that is checked in is the one that its sources make', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/catalog.js', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  assert.equal(status, 0)
})

test('a refresh says what came, what went and what changed', () => {
  const before = { sections: [{ id: 'lab', models: [{ id: 'a', context: 1 }, { id: 'b' }] }] }
  const after = { sections: [{ id: 'lab', models: [{ id: 'a', context: 2 }, { id: 'c' }] }] }
  assert.deepEqual(script.differences(before, after), ['~ lab/a context: 1 → 2', '+ lab/c', '- lab/b'])
  assert.deepEqual(script.differences(before, before), [])
})

test('the file has one model a line', async () => {
  const document = await script.generate()
  const text = script.write(document)
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(document)))
  const lines = new Set(text.split('\n').map(line => line.replace(/,$/, '')))
  for (const { models } of document.sections)
    for (const model of models) assert.ok(lines.has(JSON.stringify(model)), model.id)
})

test('the document needs neither the network nor the data package to be built into the gateway', () => {
  const source = execFileSync(
    'grep',
    ['-rl', 'genai-prices', `${root}src`, `${root}workers`, `${root}scripts/build.js`],
    {
      encoding: 'utf8',
    },
  )
    .trim()
    .split('\n')
  // Only a link to what the units are called after.
  assert.deepEqual(source, [`${root}src/catalog/units.ts`])
})

test('the documentation says how much of it there is', () => {
  const { models, sections, priced, withContext, withMaxOutput, withCapabilities } = script.counts(
    JSON.parse(readFileSync(`${root}catalog/models.json`, 'utf8')),
  )
  const text = readFileSync(`${root}docs/models.md`, 'utf8').replace(/\s+/g, ' ')
  const said = (count: number): string => count.toLocaleString('en')
  assert.ok(text.includes(`${said(models)} models in ${sections} sections`))
  assert.ok(text.includes(`${said(priced)} have a price, ${said(withContext)} a context window`))
  assert.ok(text.includes(`${said(withMaxOutput)} a longest answer and ${said(withCapabilities)} capabilities`))
  assert.ok(readFileSync(`${root}CHANGELOG.md`, 'utf8').includes(`A catalog of ${said(models)} models`))
})
