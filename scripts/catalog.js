// npm run catalog:refresh          writes catalog/models.json from the installed price data and our overlay, and prints
//                                  what changed
// npm run catalog:refresh -- --check   only says whether it is current
//
// To take newer prices: npm install --save-dev --save-exact @pydantic/genai-prices@latest, then this.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'catalog/models.json')
const readJson = file => JSON.parse(readFileSync(join(root, file), 'utf8'))

/** The document of `src/catalog/document.ts`, from the price data, `catalog/providers.json` and `catalog/overlay/`. */
export async function generate() {
  const { waitForUpdate } = await import('@pydantic/genai-prices')
  const { version } = readJson('node_modules/@pydantic/genai-prices/package.json')
  const overlay = readOverlay()
  const sections = (await waitForUpdate()).map(toSection)
  for (const row of overlay.models) addModel(sections, row)
  for (const { id, models } of sections) for (const model of models) addFacts(model, id, overlay.facts)
  return {
    version: 1,
    generated: `@pydantic/genai-prices ${version}`,
    providers: readJson('catalog/providers.json'),
    sections,
  }
}

function readOverlay() {
  const models = []
  const facts = []
  for (const name of readdirSync(join(root, 'catalog/overlay')).sort()) {
    if (!name.endsWith('.json')) continue
    const file = readJson(`catalog/overlay/${name}`)
    models.push(...(file.models ?? []))
    facts.push(...(file.facts ?? []))
  }
  for (const row of [...models, ...facts]) {
    if (!/^https:\/\//.test(row.source ?? '')) throw new Error(`no source: ${JSON.stringify(row).slice(0, 120)}`)
  }
  return { models, facts }
}

// The price data.

function toSection({ id, fallback_model_providers: fallback, models, pricing_urls: sources }) {
  return {
    id,
    ...(fallback !== undefined && { fallback }),
    ...(sources?.[0] !== undefined && { source: sources[0] }),
    models: models.map(model => toModel(model, id)),
  }
}

function toModel({ id, match, context_window: context, deprecated, prices }, section) {
  const rule = toMatch(match)
  const isPlain = rule.equals === id.toLowerCase()
  return {
    id,
    ...(!isPlain && { match: rule }),
    ...modeOf(id, prices),
    ...(context > 0 && { context }),
    ...(deprecated && { deprecated: true, status: 'deprecated' }),
    ...pricesOf(id, prices),
    ...minimumOf(section, id),
  }
}

const texts = ['equals', 'starts_with', 'ends_with', 'contains']

function toMatch(match) {
  for (const key of texts) if (match[key] !== undefined) return { [key]: match[key].toLowerCase() }
  if (match.regex !== undefined) return toPattern(match.regex)
  const key = match.or === undefined ? 'and' : 'or'
  return { [key]: match[key].map(toMatch) }
}

/** The few forms of expression that the data has; a new one has to be looked at. */
function toPattern(regex) {
  const without = /^\^\(\?!\.\*-((?:\[\w\w\])+)\(\?:\$\|-\)\)$/.exec(regex)
  if (without !== null) return { without_part: without[1].replace(/\[(\w)\w\]/g, '$1') }
  if (!regex.startsWith('^')) throw new Error(`an expression of a new form: ${regex}`)
  const whole = regex.endsWith('$')
  const pattern = regex
    .slice(1, whole ? -1 : undefined)
    .replace(/\\d(?:\{(\d+)\})?/g, (_, times) => '#'.repeat(Number(times ?? 1)))
    .replace(/\\([.[\]/-])/g, '$1')
  if (/[\\^$*+?(){}|]/.test(pattern)) throw new Error(`an expression of a new form: ${regex}`)
  return { pattern, whole }
}

/** No prices at all: free when the id says so, else nobody knows. */
function pricesOf(id, prices) {
  const sets = Array.isArray(prices) ? prices : [{ prices }]
  const timed = sets.map(({ constraint, prices: set }) => ({ ...toTime(constraint), prices: toSet(set) }))
  if (timed.length > 1) return { prices: timed }
  return Object.keys(timed[0].prices).length > 0 || id.endsWith(':free') ? { prices: timed[0].prices } : {}
}

function toTime(constraint) {
  if (constraint === undefined) return {}
  if (constraint.start_date !== undefined) return { from: constraint.start_date }
  return { daily: [secondOf(constraint.start_time), secondOf(constraint.end_time)] }
}

function secondOf(time) {
  const parts = /^(\d\d):(\d\d):(\d\d)Z$/.exec(time)
  if (parts === null) throw new Error(`a time of a new form: ${time}`)
  return Number(parts[1]) * 3600 + Number(parts[2]) * 60 + Number(parts[3])
}

function toSet(set) {
  const entries = Object.entries(set).filter(([, price]) => price !== undefined)
  return Object.fromEntries(entries.map(([key, price]) => [key, toPrice(price)]))
}

const toPrice = price =>
  typeof price === 'number'
    ? written(price)
    : { base: written(price.base), tiers: price.tiers.map(tier => ({ start: tier.start, price: written(tier.price) })) }

/** The decimal that somebody wrote down, where arithmetic has made 0.18000000000000002 of it. */
const written = price => Number(price.toPrecision(12))

/** Its calculator has this rule in its code. https://console.groq.com/docs/speech-to-text */
const minimumOf = (section, id) => (section === 'groq' && id.startsWith('whisper-large-v3') ? { minSeconds: 10 } : {})

/** What the price data does not say; told from what is priced, and from the name. Overlay rows win. */
function modeOf(id, prices) {
  const sets = Array.isArray(prices) ? prices.map(variant => variant.prices) : [prices]
  const priced = new Set(sets.flatMap(set => Object.keys(set)))
  const hasOnly = (...keys) => priced.size > 0 && [...priced].every(key => keys.includes(key))
  const name = id.toLowerCase()
  if ([...priced].some(key => key.includes('document_kpages')) || /(?:^|[/-])ocr(?:-|$)/.test(name))
    return { mode: 'ocr' }
  if (/rerank/.test(name)) return { mode: 'rerank' }
  if (/moderation/.test(name)) return { mode: 'moderation' }
  if (/whisper|transcribe/.test(name)) return { mode: 'audio_transcription' }
  if (/(?:^|[-/])tts(?:-|$)|orpheus/.test(name)) return { mode: 'audio_speech' }
  if (/realtime|-live-|-sonic|grok-voice|lyria/.test(name)) return { mode: 'audio' }
  if (/imagen|gpt-image|-image(?:-|$)|dall-e|stable-diffusion|sdxl|(?:^|\/)flux/.test(name)) return { mode: 'image' }
  if (/(?:^|\/)(?:veo|sora|wan2)/.test(name)) return { mode: 'video' }
  if (hasOnly('audio_hours', 'input_audio_hours')) return { mode: 'audio_transcription' }
  if (/embed|(?:^|[/-])(?:bge|gte|e5)-|minilm|^voyage-/.test(name)) return { mode: 'embedding' }
  return {}
}

// Our own.

const factNames = ['mode', 'context', 'maxOutput', 'capabilities', 'status', 'deprecated']

function addModel(sections, { section: id, aliases = [], ...model }) {
  let section = sections.find(candidate => candidate.id === id)
  if (section === undefined) sections.push((section = { id, models: [] }))
  if (section.models.some(known => known.id === model.id)) throw new Error(`${id}/${model.id} is there already`)
  const equals = [model.id, ...aliases].map(text => ({ equals: text.toLowerCase() }))
  if (model.id.endsWith(':free') && model.prices === undefined) model.prices = {}
  // First, so that a wider rule of another model does not take it.
  section.models.unshift(aliases.length > 0 ? { ...model, match: { or: equals } } : model)
}

/** Each fact is the first row's that has it; what the price data says stays. */
function addFacts(model, section, rows) {
  for (const row of rows) {
    if (row.section !== section && !row.sections?.includes(section)) continue
    if (!fits(row, model.id.toLowerCase())) continue
    for (const name of factNames) if (row[name] !== undefined && model[name] === undefined) model[name] = row[name]
    if (row.isFree && model.prices === undefined) model.prices = {}
    if (row.also !== undefined) model.capabilities = [...new Set([...(model.capabilities ?? []), ...row.also])]
  }
}

const fits = ({ ids, starts, except = [] }, id) =>
  (ids?.some(text => text.toLowerCase() === id) || starts?.some(text => id.startsWith(text.toLowerCase()))) &&
  !except.some(text => id.includes(text.toLowerCase()))

// The file: one model a line, so that a change of a price is a change of a line.

export function write({ sections, ...rest }) {
  const head = JSON.stringify(rest, null, 1).slice(0, -2)
  const body = sections.map(({ models, ...section }) => {
    const open = JSON.stringify(section).slice(0, -1)
    return `${open},"models":[\n${models.map(model => JSON.stringify(model)).join(',\n')}\n]}`
  })
  return `${head},\n "sections": [\n${body.join(',\n')}\n]}\n`
}

/** Lines of what came, went and changed. */
export function differences(before, after) {
  const index = ({ sections }) =>
    new Map(sections.flatMap(({ id, models }) => models.map(model => [`${id}/${model.id}`, model])))
  const [old, now] = [index(before), index(after)]
  const lines = []
  for (const [id, model] of now) {
    const known = old.get(id)
    if (known === undefined) lines.push(`+ ${id}`)
    else {
      const changed = [...new Set([...Object.keys(known), ...Object.keys(model)])].filter(
        key => JSON.stringify(known[key]) !== JSON.stringify(model[key]),
      )
      for (const key of changed) lines.push(`~ ${id} ${key}: ${short(known[key])} → ${short(model[key])}`)
    }
  }
  for (const id of old.keys()) if (!now.has(id)) lines.push(`- ${id}`)
  return lines
}

const short = value => (value === undefined ? 'none' : JSON.stringify(value).slice(0, 160))

export function counts({ sections, providers }) {
  const all = sections.flatMap(({ id, models }) => models.map(model => ({ section: id, ...model })))
  const of = condition => all.filter(condition).length
  return {
    models: all.length,
    sections: sections.length,
    priced: of(({ prices, images }) => prices !== undefined || images !== undefined),
    withContext: of(({ context }) => context !== undefined),
    withMaxOutput: of(({ maxOutput }) => maxOutput !== undefined),
    withCapabilities: of(({ capabilities }) => capabilities !== undefined),
    deprecated: of(({ deprecated }) => deprecated === true),
    providers: Object.keys(providers).length,
    modes: Object.fromEntries(
      [...new Set(all.map(({ mode }) => mode ?? 'chat'))].map(mode => [mode, of(m => (m.mode ?? 'chat') === mode)]),
    ),
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const document = await generate()
  let before = { sections: [] }
  try {
    before = JSON.parse(readFileSync(target, 'utf8'))
  } catch {
    console.log('there was no catalog/models.json')
  }
  const lines = differences(before, document)
  const isSame = write(document) === write(before)
  console.log(lines.slice(0, 500).join('\n'))
  if (lines.length > 500) console.log(`… and ${lines.length - 500} more`)
  console.log(JSON.stringify(counts(document)))
  if (process.argv.includes('--check')) {
    if (!isSame) console.error('catalog/models.json is out of date; run: npm run catalog:refresh')
    process.exit(isSame ? 0 : 1)
  }
  writeFileSync(target, write(document))
  console.log(isSame ? 'catalog/models.json is current' : 'wrote catalog/models.json')
}
