// Bundles one entry per thread into dist/, so that a thread loads only what it runs. Each is bundled by itself: what
// entries have in common stands in every bundle, for a thread that loads few files is smaller and starts sooner than
// one that puts itself together from many (docs/decisions/0007-memory.md).
// `--dev` also emits every module and test, type-checked, into .build/ (what `npm test` and the benchmarks run).
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dev = process.argv.includes('--dev')
const outAt = process.argv.indexOf('--out')
const outdir = outAt < 0 ? 'dist' : process.argv[outAt + 1]
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

rmSync(`${root}${outdir}`, { recursive: true, force: true })
const entries = {
  main: 'src/main.ts',
  serve: 'src/serve.ts',
  cli: 'src/cli/run.ts',
  acceptor: 'workers/acceptor.ts',
  worker: 'workers/worker.ts',
  'config-loader': 'workers/config-loader.ts',
}

/** What main decides between lies in bundles of its own, next to it. */
const besideMain = {
  name: 'beside-main',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\// }, ({ importer, path, kind }) => {
      if (kind !== 'dynamic-import' || relative(root, importer) !== entries.main) return
      const found = Object.entries(entries).find(([, entry]) => resolve(dirname(importer), path) === join(root, entry))
      if (found !== undefined) return { path: `./${found[0]}.js`, external: true }
    })
  },
}

const bundle = (out, entry) =>
  build({
    ...bundleOptions(out),
    absWorkingDir: root,
    entryPoints: [{ in: entry, out }],
    outdir,
    plugins: [besideMain],
    define: {
      FERRITE_VERSION: JSON.stringify(version),
      FERRITE_COMMIT: JSON.stringify(git('rev-parse', '--short=12', 'HEAD') || 'none'),
      FERRITE_BUILT: JSON.stringify(git('log', '-1', '--format=%cI') || 'unknown'),
    },
  })
await Promise.all(Object.entries(entries).map(([out, entry]) => bundle(out, entry)))
refuseWideText()

/** V8 keeps a text with one character beyond Latin-1 in twice the memory, in every thread that runs it. */
function refuseWideText() {
  for (const file of [
    ...Object.keys(entries),
    ...readdirSync(`${root}${outdir}/chunks`).map(name => `chunks/${name}`),
  ]) {
    const path = `${root}${outdir}/${file.replace(/(\.js)?$/, '.js')}`
    if (!file.endsWith('.map') && !file.endsWith('.txt') && /[^\x00-\x7f]/.test(readFileSync(path, 'utf8')))
      throw new Error(`${path}: has characters beyond ASCII; write them as escapes`)
  }
}
chmodSync(`${root}${outdir}/main.js`, 0o755)
await packCatalog()

/** The catalog as main reads it: bytes for memory that all threads share. */
async function packCatalog() {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { parseDocument } from './src/catalog/document.ts'; export { packCatalog } from './src/catalog/table.ts'`,
      resolveDir: root,
      loader: 'ts',
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  })
  const code = Buffer.from(outputFiles[0].contents).toString('base64')
  const { parseDocument, packCatalog: pack } = await import(`data:text/javascript;base64,${code}`)
  const document = parseDocument(JSON.parse(readFileSync(`${root}catalog/models.json`, 'utf8')))
  writeFileSync(`${root}${outdir}/catalog.bin`, Buffer.from(pack(document)))
}

if (dev) {
  rmSync(`${root}.build`, { recursive: true, force: true })
  try {
    execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', root], {
      cwd: root,
      stdio: 'inherit',
    })
  } catch {
    process.exit(1)
  }
}
