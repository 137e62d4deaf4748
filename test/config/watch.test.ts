import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { contentHash, watchFile } from '../../src/config/watch.ts'
import { until } from './support.ts'

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ferrite-watch-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** The contents a watcher has reported, in order. */
function reports(
  t: TestContext,
  file: string,
  known: string,
  options: { debounceMs?: number; pollMs?: number } = {},
): string[] {
  const seen: string[] = []
  const watcher = watchFile(file, () => seen.push(readFileSync(file, 'utf8')), {
    known: contentHash(known),
    debounceMs: 20,
    pollMs: 40,
    ...options,
  })
  t.after(() => watcher.close())
  // The watcher keeps no process alive, and node:test gives up on one that is about to end.
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  return seen
}

const last = (seen: readonly string[], content: string) =>
  until(() => seen.at(-1) === content, `the last report is ${content}, not ${seen.at(-1)}`)

test('a file written in place is reported with its new content', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'one')
  const seen = reports(t, file, 'one')
  writeFileSync(file, 'two')
  await last(seen, 'two')
})

test('a file replaced by renaming is reported, again and again', async t => {
  const path = directory(t)
  const file = join(path, 'c.yaml')
  writeFileSync(file, '0')
  const seen = reports(t, file, '0')
  for (const content of ['1', '2', '3']) {
    writeFileSync(join(path, 'new'), content)
    renameSync(join(path, 'new'), file)
    await last(seen, content)
  }
  assert.deepEqual(seen, ['1', '2', '3'])
})

test('a mounted volume whose ..data link is swapped is reported', async t => {
  const path = directory(t)
  const mount = (version: string, content: string) => {
    mkdirSync(join(path, version))
    writeFileSync(join(path, version, 'c.yaml'), content)
    symlinkSync(version, join(path, '..data_tmp'))
    renameSync(join(path, '..data_tmp'), join(path, '..data'))
  }
  mount('..v1', 'one')
  symlinkSync('..data/c.yaml', join(path, 'c.yaml'))
  const seen = reports(t, join(path, 'c.yaml'), 'one')
  mount('..v2', 'two')
  rmSync(join(path, '..v1'), { recursive: true })
  await last(seen, 'two')
  mount('..v3', 'three')
  await last(seen, 'three')
})

test('a link into another directory is followed by polling', async t => {
  const path = directory(t)
  const elsewhere = directory(t)
  writeFileSync(join(elsewhere, 'real'), 'one')
  symlinkSync(join(elsewhere, 'real'), join(path, 'c.yaml'))
  const seen = reports(t, join(path, 'c.yaml'), 'one')
  writeFileSync(join(elsewhere, 'real'), 'two')
  await last(seen, 'two')
})

test('a file that is deleted is waited for, and reported when it comes back different', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'one')
  const seen = reports(t, file, 'one')
  unlinkSync(file)
  writeFileSync(file, 'two')
  await last(seen, 'two')
  unlinkSync(file)
  writeFileSync(file, 'three')
  await last(seen, 'three')
})

test('a directory that is deleted and made again is watched again', async t => {
  const path = join(directory(t), 'sub')
  const file = join(path, 'c.yaml')
  mkdirSync(path)
  writeFileSync(file, 'one')
  const seen = reports(t, file, 'one')
  rmSync(path, { recursive: true })
  mkdirSync(path)
  writeFileSync(file, 'two')
  await last(seen, 'two')
  writeFileSync(file, 'three')
  await last(seen, 'three')
})

test('a file that is not there yet is waited for', async t => {
  const file = join(directory(t), 'later', 'c.yaml')
  const seen = reports(t, file, '')
  mkdirSync(join(file, '..'))
  writeFileSync(file, 'here')
  await last(seen, 'here')
})

test('fifty quick writes are reported once, with the last content', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'start')
  const seen = reports(t, file, 'start', { debounceMs: 200, pollMs: 60_000 })
  // Synchronous, so that no timer of the watcher can fire in between.
  for (let i = 1; i <= 50; i++) writeFileSync(file, `write ${i}`)
  await last(seen, 'write 50')
  writeFileSync(file, 'end')
  await last(seen, 'end')
  assert.deepEqual(seen, ['write 50', 'end'])
})

test('a file that is touched or rewritten with the same content is not reported', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'same')
  const seen = reports(t, file, 'same')
  for (let i = 0; i < 5; i++) writeFileSync(file, 'same')
  writeFileSync(file, 'other')
  await last(seen, 'other')
  assert.deepEqual(seen, ['other'])
})

test('a change between reading a file and watching it is not missed', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'changed meanwhile')
  await last(reports(t, file, 'what was read'), 'changed meanwhile')
})

test('after close nothing is reported', async t => {
  const file = join(directory(t), 'c.yaml')
  writeFileSync(file, 'one')
  const closed: string[] = []
  const watcher = watchFile(file, () => closed.push(readFileSync(file, 'utf8')), {
    known: contentHash('one'),
    debounceMs: 20,
    pollMs: 40,
  })
  const seen = reports(t, file, 'one')
  writeFileSync(file, 'two')
  watcher.close()
  await last(seen, 'two')
  writeFileSync(file, 'three')
  await last(seen, 'three')
  assert.deepEqual(closed, [])
})
