// npm test [-- PATTERN…] [--no-build]
// Builds, then runs the tests whose path contains one of the patterns (all of them without one). The last line is
// `N passed, N failed`; the exit code is 0 only when something ran and nothing failed.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = join(root, '.build')
const args = process.argv.slice(2)
const patterns = args.filter(arg => !arg.startsWith('--'))
const unknown = args.find(arg => arg.startsWith('--') && arg !== '--no-build')

/** These start gateways, load them and break things: one at a time, so that they never meet each other's load. */
const heavy = ['bench', 'clients', 'end-to-end', 'faults', 'link', 'shared']
/** A file that takes longer hangs. */
const fileTimeoutMs = 600_000
/** Of what a failing file printed. */
const mostOutput = 20_000

/** file → what came of it */
const results = new Map()
const failures = []

if (unknown !== undefined) end(`unknown option ${unknown}`)
if (!args.includes('--no-build')) build()
const files = testFiles(join(built, 'test')).filter(
  file => patterns.length === 0 || patterns.some(part => sourceName(file).includes(part)),
)
if (files.length === 0) end(`no test matches ${patterns.join(' ')}`)

const startedAt = performance.now()
const isHeavy = file => heavy.includes(relative(join(built, 'test'), file).split('/')[0])
await runFiles(
  files.filter(file => !isHeavy(file)),
  2,
)
await runFiles(files.filter(isHeavy), 1)
report()

function build() {
  try {
    execFileSync(process.execPath, [join(root, 'scripts/build.js'), '--dev'], { cwd: root, stdio: 'inherit' })
  } catch {
    end('the build failed')
  }
}

function end(why) {
  console.error(`${why}\n\n0 passed, 1 failed`)
  process.exit(1)
}

function testFiles(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return testFiles(path)
      return entry.name.endsWith('.test.js') ? [path] : []
    })
}

/** `.build/test/core/trace.test.js` → `test/core/trace.test.ts` */
function sourceName(file) {
  return relative(built, file).replace(/\.js$/, '.ts')
}

function resultOf(file) {
  let result = results.get(file)
  if (result === undefined) {
    result = { passed: 0, failed: 0, skipped: 0, ms: 0, output: '' }
    results.set(file, result)
  }
  return result
}

async function runFiles(list, concurrency) {
  if (list.length === 0) return
  let current
  for await (const { type, data } of run({ files: list, concurrency, timeout: fileTimeoutMs })) {
    if (typeof data?.file !== 'string') continue
    const result = resultOf(data.file)
    // The results of a file come together, whatever runs beside it.
    if (type === 'test:pass' || type === 'test:fail') {
      if (current !== undefined && current !== data.file) printFile(current)
      current = data.file
      count(type, data, result)
    } else if ((type === 'test:stdout' || type === 'test:stderr') && result.output.length < mostOutput) {
      result.output += data.message
    }
  }
  if (current !== undefined) printFile(current)
}

function count(type, data, result) {
  if (data.nesting === 0) result.ms += data.details.duration_ms
  if (data.details.type === 'suite') return
  if (data.skip !== undefined || data.todo !== undefined) result.skipped++
  else if (type === 'test:pass') result.passed++
  // A test whose part failed: the part is counted.
  else if (data.details.error?.failureType !== 'subtestsFailed') {
    result.failed++
    failures.push(data)
    console.log(`  ✗ ${title(data)}`)
  }
}

function printFile(file) {
  const { passed, failed, skipped, ms } = resultOf(file)
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`].filter(
    Boolean,
  )
  console.log(`${failed > 0 ? '✗' : '✓'} ${sourceName(file)}  ${counts.join(', ')}  ${(ms / 1000).toFixed(1)} s`)
}

function report() {
  for (const failure of failures) {
    const { file, details } = failure
    console.log(`\n✗ ${sourceName(file)} › ${title(failure)}`)
    const error = details.error?.cause ?? details.error
    console.log(indent(typeof error === 'string' ? error : inspect(error, { depth: 5 })))
  }
  for (const file of new Set(failures.map(({ file }) => file))) {
    const { output } = resultOf(file)
    if (output !== '') console.log(`\nWhat ${sourceName(file)} printed:\n${indent(output)}`)
  }
  const sum = key => [...results.values()].reduce((total, result) => total + result[key], 0)
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  console.log(`\n${results.size} files in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exit(failed === 0 && passed > 0 ? 0 : 1)
}

/** A file that ends by itself with an error is reported under its path. */
function title({ file, name }) {
  return name === file ? 'the file itself: it threw or exited outside of a test, or hung' : name
}

function indent(text) {
  return text
    .trimEnd()
    .split('\n')
    .map(line => `    ${line}`)
    .join('\n')
}
