// Keeps the arrows between folders, and a few rules that hold in a whole folder. Run by `npm run check`.
// Reads the text only: comments and the insides of strings are blanked first, so prose can say what it likes.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Which folders a folder may import, besides itself. Types count: whoever names a thing depends on it. */
const arrows = {
  core: [],
  wire: ['core'],
  shared: ['core'],
  providers: ['core'],
  surfaces: ['shared', 'core'],
  strategies: ['shared', 'core'],
  plugins: ['shared', 'core'],
  config: ['wire', 'shared', 'core'],
  catalog: ['wire', 'shared', 'core'],
  upstream: ['wire', 'shared', 'core'],
  downstream: ['wire', 'shared', 'core'],
  link: ['wire', 'shared', 'core'],
  mcp: ['upstream', 'shared', 'core'],
  pipeline: ['upstream', 'link', 'shared', 'core'],
  telemetry: ['config', 'catalog', 'downstream', 'upstream', 'shared', 'core'],
  control: ['config', 'catalog', 'telemetry', 'downstream', 'upstream', 'link', 'shared', 'core'],
  cli: 'all of src',
  // Composition roots: they put the parts together.
  'main.ts': 'everything',
  'serve.ts': 'everything',
  workers: 'everything',
}

/** What breaks a rule on purpose: `file rule detail`, each with its reason. */
const exceptions = new Set([
  // The composition roots of the commands: they hand the registry to what compiles a config.
  'src/cli/validate.ts arrow providers',
  'src/cli/init.ts arrow providers',
  'src/cli/config-schema.ts arrow providers',
  // The addon reads the limit of a head from the environment of the process, when it is first loaded.
  'src/serve.ts environment process.env',
  // The acceptor's side of the rings is what an engine hands its requests to, and speaks the engine's contract (types).
  'src/link/acceptor-side.ts arrow downstream',
  'src/link/request-meta.ts arrow downstream',
])

/** Rules of the text. `what` is looked for outside of comments and, unless `inStrings`, outside of strings. */
const rules = [
  {
    name: 'environment',
    what: /\bprocess\.env\b|\bprocess\.loadEnvFile\b/g,
    allowed: ['src/config/', 'src/cli/'],
    why: 'only config/ and cli/ read the environment',
  },
  {
    name: 'atomics',
    what: /\bAtomics\s*\./g,
    allowed: ['src/shared/'],
    why: 'only shared/ uses Atomics',
  },
  {
    name: 'outbound',
    what: /(?<![.#\w])fetch\s*\(|\bnew\s+WebSocket\b/g,
    allowed: ['src/upstream/'],
    why: 'only upstream/ opens outbound connections',
  },
]

/** Modules, or names of theirs, that only some folders may import. */
const modules = [
  { name: 'outbound', match: /^undici$/, allowed: ['src/upstream/'], why: 'only upstream/ opens outbound connections' },
  { name: 'listening', match: /^uWebSockets\.js$/, allowed: ['src/downstream/'], why: 'only downstream/ listens' },
  { name: 'processes', match: /^(?:node:)?child_process$/, allowed: ['src/mcp/'], why: 'only mcp/ starts processes' },
  {
    name: 'outbound',
    match: /^(?:node:)?(?:net|tls)$/,
    names: /\b(?:connect|createConnection|TLSSocket)\b|\*/,
    allowed: ['src/upstream/', 'src/downstream/node'],
    why: 'only upstream/ opens outbound connections',
  },
  {
    name: 'listening',
    match: /^(?:node:)?(?:net|tls)$/,
    names: /\b(?:createServer|Server)\b|\*/,
    allowed: ['src/downstream/', 'src/upstream/'],
    why: 'only downstream/ listens',
  },
  {
    name: 'network',
    match: /^(?:node:)?(?:http|https|http2|dgram|dns)(?:\/.*)?$/,
    allowed: ['src/upstream/', 'src/downstream/'],
    why: 'only upstream/ and downstream/ speak on the network',
  },
]

export function check(root) {
  const found = []
  const files = ['src', 'workers', 'providers'].flatMap(folder => sources(join(root, folder)))
  const ids = providerIds(root)
  const engine = []
  for (const file of files) {
    const path = relative(root, file).split(sep).join('/')
    const text = readFileSync(file, 'utf8')
    const code = blank(text)
    const report = (rule, detail, at, message) => {
      if (!exceptions.has(`${path} ${rule} ${detail}`)) found.push(`${path}:${lineAt(text, at)}: ${message}`)
    }
    for (const { specifier, clause, at } of imports(code)) {
      checkImport(root, file, path, { specifier, clause }, (rule, detail, message) => report(rule, detail, at, message))
    }
    if (!path.startsWith('providers/')) checkRules(path, code.withoutStrings, report)
    if (path.startsWith('src/')) checkProviderNames(code.withStrings, ids, report)
    if (/^src\/downstream\/uws/.test(path)) engine.push({ code: code.withoutStrings, report })
  }
  checkHandlers(engine)
  return { found, files: files.length }
}

function checkImport(root, file, path, { specifier, clause }, report) {
  for (const { name, match, names, allowed, why } of modules) {
    if (names !== undefined && !names.test(clause)) continue
    if (match.test(specifier) && !allowed.some(folder => path.startsWith(folder)))
      report(name, specifier, `imports ${specifier}: ${why}`)
  }
  if (!specifier.startsWith('.')) {
    if (path.startsWith('src/core/') && !specifier.startsWith('node:'))
      report('arrow', specifier, `imports ${specifier}: core depends on nothing`)
    // What hashes or joins bytes is pure; sockets, clocks and files are not.
    if (path.startsWith('providers/') && !/^node:(?:crypto|buffer)$/.test(specifier))
      report('arrow', specifier, `imports ${specifier}: providers depend on core alone`)
    return
  }
  if (!specifier.endsWith('.ts')) report('arrow', specifier, `imports ${specifier}: say the file, with .ts`)
  const from = layerOf(path)
  const to = layerOf(
    relative(root, resolve(dirname(file), specifier))
      .split(sep)
      .join('/'),
  )
  const allowed = arrows[from]
  if (allowed === undefined)
    return report('arrow', from, `is in ${from}/, which no rule knows: add it to scripts/check-imports.js`)
  if (from === to || allowed === 'everything') return
  if (allowed === 'all of src' ? to !== 'workers' && to !== 'providers' : allowed.includes(to)) return
  report('arrow', to, `${from} must not import ${to} (${specifier})`)
}

/** `src/pipeline/x.ts` → pipeline, `src/main.ts` → main.ts, `workers/x.ts` → workers. */
function layerOf(path) {
  const [first, second] = path.split('/')
  return first === 'src' ? second : first
}

function checkRules(path, code, report) {
  for (const { name, what, allowed, why } of rules) {
    if (allowed.some(folder => path.startsWith(folder))) continue
    for (const match of code.matchAll(what))
      report(name, match[0].replace(/\s*\($/, ''), match.index, `${match[0].trim()} here: ${why}`)
  }
}

function checkProviderNames(code, ids, report) {
  for (const id of ids) {
    const word = new RegExp(`(['"\`])${id}\\1`, 'g')
    for (const match of code.matchAll(word))
      report('provider', id, match.index, `names the provider ${match[0]}: no file in src/ knows one`)
  }
}

/**
 * A handler that throws before `onAborted` is registered ends the process, so registering is the first thing it does:
 * each callback given to a route is one call of a method whose first statement builds the exchange, and the exchange
 * registers in the first statement of its constructor.
 */
function checkHandlers(files) {
  const route = /\.(?:any|get|post|put|patch|del|options|head|trace|connect)\(\s*(['"`]) *\1\s*,\s*/g
  const built = new Set()
  for (const { code, report } of files) {
    for (const { 0: opening, index } of code.matchAll(route)) {
      const first = firstStatement(code, index + opening.length)
      const method = /^this\.(#?\w+)\(\s*res\b/.exec(first)?.[1]
      const statement = method === undefined ? first : firstOfMethod(code, method)
      const exchange = /^const \w+ = new (\w+)\(\s*res\b/.exec(statement)?.[1]
      if (exchange !== undefined) built.add(exchange)
      else if (!/^res\.onAborted\(/.test(statement))
        report(
          'handler',
          'onAborted',
          index,
          'a route handler must begin with res.onAborted, or with an exchange that does',
        )
    }
  }
  for (const name of built) {
    const file = files.find(({ code }) => code.includes(`class ${name} `))
    if (file === undefined) continue
    const at = file.code.indexOf(`class ${name} `)
    // Only the fields may be set before, from the parameters: that can't throw.
    const body = bodyAt(file.code, file.code.indexOf('constructor(', at))
    if (!/^\s*(?:this\.#?\w+ = \w+\s+)*res\.onAborted\(/.test(body))
      file.report(
        'handler',
        name,
        at,
        `the constructor of ${name} must register res.onAborted before anything that can throw`,
      )
  }
}

/** The first statement of the arrow function or function expression at `at`. */
function firstStatement(code, at) {
  const arrow = code.indexOf('=>', at)
  const rest = code.slice(arrow + 2).trimStart()
  return rest.startsWith('{') ? rest.slice(1).trimStart() : rest
}

function firstOfMethod(code, name) {
  const at = code.search(new RegExp(`^ +${name}\\(`, 'm'))
  return at === -1 ? '' : bodyAt(code, at).trimStart()
}

/** What follows the opening brace of the function whose parameters begin after `at`. */
function bodyAt(code, at) {
  let depth = 0
  for (let i = code.indexOf('(', at); i < code.length; i++) {
    if (code[i] === '(') depth++
    else if (code[i] === ')' && --depth === 0) return code.slice(code.indexOf('{', i) + 1)
  }
  return ''
}

function imports({ withStrings }) {
  const forms = [
    /\b(?:import|export)\b([^'"`;]*?)\bfrom\s*(['"])([^'"]+)\2/g,
    /\bimport()\s*(['"])([^'"]+)\2/g,
    /\bimport()\s*\(\s*(['"])([^'"]+)\2/g,
    /\bcreateRequire\([^)]*\)()\(\s*(['"])([^'"]+)\2/g,
  ]
  return forms.flatMap(form =>
    [...withStrings.matchAll(form)].map(({ 1: clause, 3: specifier, index }) => ({
      specifier,
      clause: clause || '*',
      at: index,
    })),
  )
}

/** The same length as the text, with comments (and strings) made of spaces. A regular expression counts as a string. */
function blank(text) {
  let withStrings = ''
  let withoutStrings = ''
  let i = 0
  const take = (end, kind) => {
    const part = text.slice(i, end)
    const spaces = part.replace(/[^\n]/g, ' ')
    withStrings += kind === 'comment' || kind === 'pattern' ? spaces : part
    withoutStrings += kind === 'code' ? part : kind === 'string' ? part[0] + spaces.slice(1, -1) + part.at(-1) : spaces
    i = end
  }
  while (i < text.length) {
    if (text.startsWith('//', i)) take(endOf(text, '\n', i), 'comment')
    else if (text.startsWith('/*', i)) take(endOf(text, '*/', i + 2) + 2, 'comment')
    else if (text[i] === "'" || text[i] === '"') take(endOfQuoted(text, i), 'string')
    else if (text[i] === '`') take(endOfTemplate(text, i), 'string')
    else if (text[i] === '/' && /[=(,:[!&|?{};>\n]\s*$|\breturn\s*$/.test(withoutStrings.slice(-40)))
      take(endOfPattern(text, i), 'pattern')
    else take(i + 1, 'code')
  }
  return { withStrings, withoutStrings }
}

function endOf(text, what, from) {
  const at = text.indexOf(what, from)
  return at === -1 ? text.length : at
}

function endOfQuoted(text, start) {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === text[start] || text[i] === '\n') return i + 1
  }
  return text.length
}

/** Code inside `${…}` is skipped with the text around it: templates hold values here, not programs. */
function endOfTemplate(text, start) {
  let depth = 0
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text.startsWith('${', i)) depth++
    else if (text[i] === '}' && depth > 0) depth--
    else if (text[i] === '`' && depth === 0) return i + 1
    else if (text[i] === '`') i = endOfTemplate(text, i) - 1
  }
  return text.length
}

function endOfPattern(text, start) {
  let inClass = false
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\n') return start + 1
    if (text[i] === '\\') i++
    else if (text[i] === '[') inClass = true
    else if (text[i] === ']') inClass = false
    else if (text[i] === '/' && !inClass) return i + 1
  }
  return text.length
}

function providerIds(root) {
  return sources(join(root, 'providers')).flatMap(file =>
    [...readFileSync(file, 'utf8').matchAll(/[{,]\s*id: '([^']+)'/g)].map(match => match[1]),
  )
}

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return sources(path)
      return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : []
    })
}

const lineAt = (text, at) => text.slice(0, at).split('\n').length

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)))
  const { found, files } = check(root)
  if (found.length > 0) {
    console.error(
      `${found.join('\n')}\n\n${found.length} ${found.length === 1 ? 'rule is' : 'rules are'} broken; CONTRIBUTING.md says why they are there.`,
    )
    process.exit(1)
  }
  console.log(`imports: ${files} files keep the rules`)
}
