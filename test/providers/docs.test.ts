import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'

const root = new URL('../../../', import.meta.url)

test('docs/providers.md says what the registry says', () => {
  const script = ['scripts/providers-table.js', '--check']
  const { status, stderr } = spawnSync(process.execPath, script, { cwd: root, encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(status, 0)
})

test('every provider is on the page, with each variable it reads', () => {
  const page = readFileSync(new URL('docs/providers.md', root), 'utf8')
  for (const { id, settings } of providers) {
    const row = page.split('\n').find(line => line.startsWith(`| \`${id}\` |`))
    assert.ok(row !== undefined, id)
    for (const { env } of Object.values(settings))
      assert.ok(env === undefined || row.includes(`\`${env}\``), `${id} ${env}`)
  }
})
