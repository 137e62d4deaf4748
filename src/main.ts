#!/usr/bin/env node
/** `ferrite [serve]` starts the gateway; everything else is the command line. */
const args = process.argv.slice(2)
// Bundles lie side by side; only an entry knows where.
const bundle = (name: string): URL => new URL(`./${name}.js`, import.meta.url)
const entries = {
  acceptor: bundle('acceptor'),
  worker: bundle('worker'),
  configLoader: bundle('config-loader'),
  catalog: new URL('./catalog.bin', import.meta.url),
}
const isServe = args.length === 0 || (args.length === 1 && args[0] === 'serve')
const code = isServe
  ? await (await import('./serve.ts')).serve({ entries })
  : await (await import('./cli/run.ts')).run(args, entries)
process.exit(code)
