// Bundles one entry per thread into dist/, so that a thread loads only what it runs.
// `--dev` also emits every module and test, type-checked, into .build/ (what `npm test` and the benchmarks run).
import { execFileSync } from 'node:child_process'
import { rmSync, chmodSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { readFileSync } from 'node:fs'

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
  acceptor: 'workers/acceptor.ts',
  worker: 'workers/worker.ts',
  'config-loader': 'workers/config-loader.ts',
}
await build({
  absWorkingDir: root,
  entryPoints: Object.entries(entries).map(([out, entry]) => ({ in: entry, out })),
  outdir,
  bundle: true,
  // Shared chunks, so that rarely used parts (undici, the CLI's commands) stay out of a thread until imported.
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  external: ['uWebSockets.js'],
  define: {
    FERRITE_VERSION: JSON.stringify(version),
    FERRITE_COMMIT: JSON.stringify(git('rev-parse', '--short=12', 'HEAD') || 'none'),
    FERRITE_BUILT: JSON.stringify(git('log', '-1', '--format=%cI') || 'unknown'),
  },
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  logLevel: 'warning',
})
chmodSync(`${root}${outdir}/main.js`, 0o755)

if (dev) {
  rmSync(`${root}.build`, { recursive: true, force: true })
  try {
    execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', root], { cwd: root, stdio: 'inherit' })
  } catch {
    process.exit(1)
  }
}
