import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { test } from 'node:test'

test('the generated tables in docs/ say what the sources say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.js', '--check'], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(status, 0)
})

/** Every Markdown file of the repository, generated results aside. */
const pages = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { encoding: 'utf8' })
  .split('\n')
  .filter(page => page !== '' && existsSync(page) && !page.startsWith('bench/results/'))

for (const page of pages) {
  test(`every link of ${page} to a file leads somewhere`, () => {
    const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '')
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link).filter(link => !/^[a-z]+:/.test(link))
    const broken = links.filter(link => {
      const [path, fragment] = link.split('#')
      const file = path === '' ? page : resolve(dirname(page), path)
      return !existsSync(file) || (fragment !== undefined && !anchors(file).includes(fragment))
    })
    // Made by a benchmark run.
    assert.deepEqual(
      broken.filter(link => !link.startsWith('bench/results/')),
      [],
    )
  })
}

/** As GitHub makes them of headings. */
function anchors(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
