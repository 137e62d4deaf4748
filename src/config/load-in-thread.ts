import type { Worker } from 'node:worker_threads'
import type { KeyTable } from './keys-file.ts'
import type { LoadResult } from './load.ts'
import { bootLoader } from './loader-thread.ts'
import { problem } from './problems.ts'
import type { ProviderSettings } from './schema.ts'

export interface LoadRequest {
  /** `workers/config-loader.js`, where the caller's build put it, or a thread of it that nobody has asked yet. */
  readonly worker: URL | Worker
  readonly file: string
  /** Read from `file` when left out. */
  readonly content?: Uint8Array
  readonly providers: readonly ProviderSettings[]
  readonly timeoutMs?: number
}

/** What the thread is asked. */
export type LoaderData = Pick<LoadRequest, 'file' | 'content' | 'providers'>

export interface ThreadLoadResult {
  readonly result: LoadResult
  /** `contentHash` of what was checked, for `watchFile`; '' when the file could not be read. */
  readonly hash: string
  /** What the config's `auth.keys_file` holds; null when it names none. */
  readonly keys: KeyTable | null
}

/**
 * Checks a config file and reads its keys file in a thread of its own, which ends: the schema and YAML libraries, and
 * what parsing left behind, leave the process with it.
 */
export function loadInThread({
  worker,
  file,
  content,
  providers,
  timeoutMs = 20_000,
}: LoadRequest): Promise<ThreadLoadResult> {
  return new Promise(resolve => {
    const data: LoaderData = {
      file,
      content,
      providers: providers.map(({ id, aliases, settings }) => ({ id, aliases, settings })),
    }
    const thread = worker instanceof URL ? bootLoader(worker) : worker
    thread.postMessage(data)
    // The first answer counts; nobody waits for the thread to end.
    const fail = (message: string): void =>
      resolve({ result: { ok: false, problems: [problem('', message)] }, hash: '', keys: null })
    const timer = setTimeout(() => {
      fail(`checking the config took longer than ${timeoutMs} ms`)
      void thread.terminate()
    }, timeoutMs)
    thread.once('message', resolve)
    if (thread.threadId === -1) fail('the config could not be checked: its thread ended before it was asked')
    thread.once('error', error =>
      fail(`the config could not be checked: ${error instanceof Error ? error.message : String(error)}`),
    )
    thread.once('exit', () => {
      clearTimeout(timer)
      fail('the config could not be checked: its thread ended without an answer')
    })
  })
}
