import { readFileSync, statSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { loadConfig } from '../src/config/load.ts'
import type { LoaderData, ThreadLoadResult } from '../src/config/load-in-thread.ts'
import { problem } from '../src/config/problems.ts'
import { largestFileBytes } from '../src/config/source-text.ts'
import { contentHash } from '../src/config/watch.ts'

const { file, content = read(), providers } = workerData as LoaderData

const answer: ThreadLoadResult =
  content instanceof Uint8Array
    ? { result: loadConfig(content, file, providers), hash: contentHash(content) }
    : { result: { ok: false, problems: [problem('', content.refused)] }, hash: '' }
parentPort?.postMessage(answer)

function read(): Uint8Array | { refused: string } {
  try {
    const { size } = statSync(file)
    // One byte more than allowed is enough for the loader to refuse it in its own words.
    return size > largestFileBytes ? new Uint8Array(largestFileBytes + 1) : readFileSync(file)
  } catch (error) {
    return { refused: `the file cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}
