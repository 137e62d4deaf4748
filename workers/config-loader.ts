import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { readKeyTable } from '../src/config/keys-file.ts'
import { loadConfig } from '../src/config/load.ts'
import type { LoaderData, ThreadLoadResult } from '../src/config/load-in-thread.ts'
import { problem } from '../src/config/problems.ts'
import { largestFileBytes } from '../src/config/source-text.ts'
import { contentHash } from '../src/config/watch.ts'

// Without a listener the port keeps the thread no longer: it ends.
parentPort!.once('message', (data: LoaderData) => parentPort!.postMessage(load(data)))

function load({ file, content: given, providers }: LoaderData): ThreadLoadResult {
  const content = given ?? read(file)
  if (!(content instanceof Uint8Array))
    return { result: { ok: false, problems: [problem('', content.refused)] }, hash: '', keys: null }
  const result = loadConfig(content, file, providers)
  const keysFile = result.ok ? result.config.auth?.keys_file : undefined
  // Relative to the config file, as all its paths are.
  const keys = keysFile === undefined ? null : readKeyTable(keysFile, () => piecesOf(resolve(dirname(file), keysFile)))
  return { result, hash: contentHash(content), keys }
}

function read(file: string): Uint8Array | { refused: string } {
  try {
    const { size } = statSync(file)
    // One byte more than allowed is enough for the loader to refuse it in its own words.
    return size > largestFileBytes ? new Uint8Array(largestFileBytes + 1) : readFileSync(file)
  } catch (error) {
    return { refused: `the file cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function* piecesOf(path: string): Generator<Uint8Array> {
  const descriptor = openSync(path, 'r')
  try {
    const piece = new Uint8Array(64 * 1024)
    for (;;) {
      const size = readSync(descriptor, piece, 0, piece.length, null)
      if (size === 0) return
      yield piece.subarray(0, size)
    }
  } finally {
    closeSync(descriptor)
  }
}
