#!/usr/bin/env node
import { bootLoaderEarly } from './config/loader-thread.ts'

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
const code = isServe ? await serveNow() : await (await import('./cli/run.ts')).run(args, entries)
process.exit(code)

async function serveNow(): Promise<number> {
  const loader = bootLoaderEarly(entries.configLoader)
  const { serve } = await import('./serve.ts')
  return serve({ entries, loader })
}
