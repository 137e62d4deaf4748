import { Worker } from 'node:worker_threads'

/** The thread that checks a config file; it waits for `LoaderData`, answers once and ends. */
export const bootLoader = (entry: URL): Worker =>
  // A hostile file may cost the thread its heap; it must not cost the process its own.
  new Worker(entry, { name: 'config-loader', resourceLimits: { maxOldGenerationSizeMb: 512 } })

/**
 * The same before the rest of the program is loaded: the thread is the longest part of a start, and comes up meanwhile.
 * Null when the environment names no config file.
 */
export function bootLoaderEarly(entry: URL): Worker | null {
  if (!process.env.GATEWAY_CONFIG) return null
  // Should it fail before it is asked, whoever asks finds it ended.
  return bootLoader(entry).on('error', () => {})
}
