import { fileURLToPath } from 'node:url'

/** How everything is bundled, for esbuild: what a bundle is called goes into the names of its chunks. */
export const bundleOptions = name => ({
  bundle: true,
  // So that rarely used parts (undici, the CLI's commands) stay out of a thread until imported.
  splitting: true,
  chunkNames: `chunks/${name}-[name]-[hash]`,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Threads keep the text of what they run. Names stay, and lines stay short enough to be worth a number in a trace.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  external: ['uWebSockets.js'],
  inject: [fileURLToPath(new URL('node-globals.js', import.meta.url))],
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  logLevel: 'warning',
})
