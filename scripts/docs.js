// node scripts/docs.js [--check]
// Writes the generated parts of docs/ from the sources they describe; `--check` only says what is out of date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const isCheck = process.argv.includes('--check')

const source = await load(`
  export { failures } from './src/core/failures.ts'
  export { configJsonSchema } from './src/config/json-schema.ts'
  export { providers } from './providers/index.ts'
  export { createMetrics } from './src/telemetry/metrics.ts'
  export { createMetricMemory, threadMetrics } from './src/shared/metric-rows.ts'
`)

const stale = []
replace('errors.md', 'failures', failuresTable())
replace('configuration.md', 'keys', keysTable())
replace('configuration.md', 'providers', providersTable())
replace('observability.md', 'metrics', await metricsTable())
if (stale.length > 0 && isCheck) {
  console.error(`out of date: ${stale.join(', ')}; run: node scripts/docs.js`)
  process.exit(1)
}
console.log(stale.length > 0 ? `wrote ${stale.join(', ')}` : 'the generated parts of docs/ are current')

/** The TypeScript sources as one module; Node 20 reads no types. */
async function load(contents) {
  const directory = mkdtempSync(join(tmpdir(), 'ferrite-docs-'))
  const outfile = join(directory, 'sources.mjs')
  const banner = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);"
  try {
    await build({
      stdin: { contents, resolveDir: root, loader: 'ts' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      outfile,
      banner: { js: banner },
      logLevel: 'warning',
    })
    return await import(pathToFileURL(outfile).href)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Puts text between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`. */
function replace(page, name, text) {
  const file = join(root, 'docs', page)
  const before = readFileSync(file, 'utf8')
  const [start, end] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`]
  const [from, to] = [before.indexOf(start), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`docs/${page} has no place for ${name}`)
  const after = `${before.slice(0, from + start.length)}\n${text}\n${before.slice(to)}`
  if (after === before) return
  stale.push(`docs/${page} (${name})`)
  if (!isCheck) writeFileSync(file, after)
}

function table(head, rows) {
  const line = cells =>
    `| ${cells.map(cell => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function failuresTable() {
  const sources = { downstream: 'the client', gateway: 'the gateway', upstream: 'the provider' }
  const next = { never: 'final', same: 'asks again, then the next target', next: 'asks the next target' }
  const groups = Object.keys(sources).map(source => {
    const rows = Object.entries(failuresOf(source)).map(([name, { status, type, code, retry, message }]) => [
      status,
      `\`${type}\``,
      `\`${code ?? name}\``,
      (code ?? name) === name ? '' : `\`${name}\``,
      next[retry],
      message,
    ])
    const head = [
      'Status',
      '`type`',
      '`code`',
      'In logs, when different',
      'The gateway',
      'Message, unless there is a better one',
    ]
    return `### Caused by ${sources[source]}\n\n${table(head, rows)}`
  })
  return `\n${groups.join('\n\n')}\n`
}

function failuresOf(wanted) {
  return Object.fromEntries(Object.entries(source.failures).filter(([, row]) => row.source === wanted))
}

function keysTable() {
  const rows = []
  const visit = (schema, path) => {
    for (const [key, value] of Object.entries(schema.properties ?? {})) {
      const at = path === '' ? key : `${path}.${key}`
      const isList = value.type === 'array' && value.items?.properties !== undefined
      const isMap = value.type === 'object' && value.properties !== undefined
      rows.push([`\`${at}${isList ? '[]' : ''}\``, kindOf(value), fallbackOf(value), describe(value)])
      if (isList) visit(value.items, `${at}[]`)
      else if (isMap) visit(value, at)
    }
  }
  visit(source.configJsonSchema(source.providers), '')
  return table(['Key', 'Type', 'Default', 'What it is'], rows)
}

/** A setting that many providers have is explained in their own table. */
function describe({ description = '' }) {
  return description.replace(/; for [\w-]+(?:, [\w-]+){3,}.*$/s, '; of most providers.')
}

function fallbackOf({ default: fallback }) {
  return fallback === undefined ? '' : `\`${fallback === '' ? '""' : fallback}\``
}

function kindOf(schema) {
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${value}\``).join(', ')
  switch (schema.type) {
    case 'integer':
    case 'number': {
      const { minimum, maximum } = schema
      const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum
      const least = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum
      const range = most !== undefined ? ` ${least ?? '…'}–${most}` : least !== undefined ? ` ≥ ${least}` : ''
      return `${schema.type === 'integer' ? 'whole number' : 'number'}${range}`
    }
    case 'boolean':
      return 'true, false'
    case 'array':
      return schema.items?.properties === undefined
        ? `list of ${schema.items?.type === 'integer' ? 'whole numbers' : 'texts'}`
        : 'list'
    case 'object':
      return schema.properties === undefined ? 'map of texts' : 'map'
    default:
      return schema.pattern?.includes('ms') === true ? 'duration' : 'text'
  }
}

function settingKey(name) {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function providersTable() {
  const rows = source.providers.flatMap(({ id, settings, needsOneOf = [] }) => {
    const entries = Object.entries(settings)
    if (entries.length === 0) return [[`\`${id}\``, '', '', '', 'no settings']]
    return entries.map(([name, { env, default: fallback, secret, required, help = '' }], index) => [
      index === 0 ? `\`${id}\`` : '',
      `\`${settingKey(name)}\``,
      env === undefined ? '' : `\`${env}\``,
      needsOneOf.includes(name)
        ? 'one of these'
        : fallback === undefined
          ? (required ?? secret)
            ? 'needed'
            : ''
          : `\`${fallback}\``,
      help,
    ])
  })
  return table(['Provider', 'Setting', 'Variable', 'Default', ''], rows)
}

async function metricsTable() {
  const memory = source.createMetricMemory({ threads: 1, series: 1 })
  const numbers = { durationMs: 1, firstByteMs: 1, tokensIn: 1, tokensOut: 1, tokensReasoning: 1, tokensCacheRead: 1 }
  source.threadMetrics(memory, 0).finish({ series: 0, ...numbers }, 'success', 1)
  const { body } = await source
    .createMetrics({
      memory,
      seriesLabels: () => [{ provider: 'p', model: 'm' }],
      processInfo: () => ({
        version: '1',
        engine: 'e',
        workers: { live: 1 },
        workerRestarts: 0,
        logRecordsDropped: 0,
        threads: [{ name: 't', heapUsedBytes: 0, arrayBuffersBytes: 0, eventLoopLagMs: 0 }],
      }),
      targets: () => [
        {
          provider: 'p',
          restUntilMs: 1,
          limits: {
            requests: { limit: 1, remaining: 1, resetMs: 1 },
            tokens: { limit: 1, remaining: 1, resetMs: 1 },
          },
        },
      ],
      catalogLoads: () => [{ source: 'fallback', result: 'ok', count: 1 }],
    })
    .render()
  const help = new Map([...body.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, text]) => [name, text]))
  const rows = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => {
    const labels = new Set()
    for (const [, inside] of body.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{(.*)\\} `, 'gm'))) {
      for (const [, label] of inside.matchAll(/(\w+)="/g)) if (label !== 'le') labels.add(`\`${label}\``)
    }
    return [`\`${name}\``, type, [...labels].join(', '), help.get(name) ?? '']
  })
  // What only some systems have (`/proc`) would make this page depend on where it was written.
  return table(
    ['Name', 'Type', 'Labels', 'What it counts'],
    rows.filter(([name]) => !/process_(open|max)_fds/.test(name)),
  )
}
