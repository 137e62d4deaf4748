// node scripts/providers-table.js [--check]
// Writes the generated part of docs/providers.md from the registry; `--check` only says whether it is out of date.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/providers.md')
const [start, end] = ['<!-- generated:providers -->', '<!-- /generated:providers -->']

const { providers, tableProviders } = await registry()
const inTable = new Set(tableProviders)
const text = `
### With a file of their own

${table(providers.filter(provider => !inTable.has(provider)))}

### Rows of the table

They speak OpenAI's API, as far as it is listed: a chat's \`max_completion_tokens\` goes out as \`max_tokens\`,
everything else as it came. Addresses, variables and surfaces are those that the vendors and their common clients publish;
they were not called for this page.

${table(tableProviders)}
`

const before = readFileSync(page, 'utf8')
const [from, to] = [before.indexOf(start), before.indexOf(end)]
if (from === -1 || to < from) throw new Error('docs/providers.md has no place for the table')
const after = before.slice(0, from + start.length) + text + before.slice(to)
if (after === before) console.log('docs/providers.md is current')
else if (process.argv.includes('--check')) {
  console.error('docs/providers.md is out of date; run: node scripts/providers-table.js')
  process.exit(1)
} else {
  writeFileSync(page, after)
  console.log('wrote docs/providers.md')
}

/** The TypeScript sources as one module; Node 20 reads no types. */
async function registry() {
  const directory = mkdtempSync(join(tmpdir(), 'ferrite-providers-'))
  const outfile = join(directory, 'providers.mjs')
  const contents = `
    export { providers } from './providers/index.ts'
    export { tableProviders } from './providers/openai-compatible-table.ts'`
  try {
    const stdin = { contents, resolveDir: root, loader: 'ts' }
    await build({ stdin, bundle: true, format: 'esm', platform: 'node', outfile, logLevel: 'warning' })
    return await import(pathToFileURL(outfile).href)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function surfaces({ codecs }) {
  return Object.keys(codecs).map(inWords).join(', ')
}

/** A chat serves legacy completions too, where there is nothing of their own. */
function inWords(surface) {
  return surface === 'completions' ? 'raw completions' : surface.replace(/[A-Z]/, letter => ` ${letter.toLowerCase()}`)
}

function table(list) {
  const line = cells => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const head = ['Id', 'Variables', 'Base URL', 'Surfaces', 'Peculiar']
  const rows = list.map(provider => [
    `\`${provider.id}\``,
    variables(provider),
    baseUrl(provider),
    surfaces(provider),
    quirks(provider),
  ])
  return [head, head.map(() => '---'), ...rows].map(line).join('\n')
}

function isNeeded({ secret, required, default: fallback }) {
  return required ?? (secret === true && fallback === undefined)
}

/** Those it needs in bold. A credential that no variable gives has to be written into the target. */
function variables({ settings }) {
  return Object.entries(settings)
    .map(([name, setting]) => {
      const word = setting.env ?? `${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}:`
      return isNeeded(setting) ? `**\`${word}\`**` : `\`${word}\``
    })
    .join('<br>')
}

function baseUrl({ id, settings, answer }) {
  if (answer !== undefined) return 'none: it answers in the process'
  const setting = settings.baseUrl ?? settings.host
  if (setting === undefined) throw new Error(`${id} has neither baseUrl nor host`)
  return setting.default === undefined ? "the operator's" : `\`${setting.default}\``
}

/** Parameters of one surface that don't go out as they came. */
function changed({ params = {} } = {}) {
  const named = support => Object.keys(params).filter(param => params[param] === support)
  return { unsupported: named('unsupported'), translated: named('translate') }
}

function quirks({ codecs, modelPrefixes = [], anyModel, notes = '', answer }) {
  const { chat, ...others } = codecs
  const { relay, tokenLimit } = chat ?? {}
  const { unsupported, translated } = changed(chat)
  const said = (what, list) => (list.length === 0 ? '' : `${what} ${list.map(item => `\`${item}\``).join(', ')}.`)
  return [
    relay === 'verbatim' && answer === undefined && 'Answers go back byte for byte.',
    relay === null && 'A wire format of its own.',
    relay !== null && tokenLimit === 'max_completion_tokens' && 'Ceiling: `max_completion_tokens`.',
    said('Not sent:', unsupported),
    said('Translated:', translated),
    ...Object.entries(others).flatMap(([id, codec]) => {
      const { unsupported, translated } = changed(codec)
      const name = inWords(id).replace(/^./, letter => letter.toUpperCase())
      return [said(`${name}, not sent:`, unsupported), said(`${name}, translated:`, translated)]
    }),
    anyModel !== true &&
      modelPrefixes.length < 10 &&
      said(
        'Owns',
        modelPrefixes.map(prefix => `${prefix}*`),
      ),
    notes,
  ]
    .filter(Boolean)
    .join(' ')
}
