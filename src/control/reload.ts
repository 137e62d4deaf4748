import { readFileSync } from 'node:fs'
import { formatProblems, problem } from '../config/problems.ts'
import { contentHash, type FileWatch, watchFile } from '../config/watch.ts'
import type { Log } from '../telemetry/worker-log.ts'
import type { ConfigState } from './probes.ts'
import { isRefused, readSettings, type Settings, type SettingsSource } from './settings.ts'

/**
 * Reload by signal and by file: the new config is read and compiled beside the old one, and takes its place only when
 * it is good in every part. One at a time; requests that come meanwhile make one more round.
 */
export interface ReloadParts {
  readonly source: SettingsSource
  readonly log: Log
  readonly apply: (settings: Settings) => void
  /** TLS files of the listener changed on disk. */
  readonly onTlsChange: () => void
}

export class Reloader {
  readonly #parts: ReloadParts
  #current: Settings
  #version: number
  #running: Promise<void> | null = null
  #again = false
  #watches: FileWatch[] = []
  #state: ConfigState

  constructor(parts: ReloadParts, first: Settings) {
    this.#parts = parts
    this.#current = first
    this.#version = first.snapshot.version
    this.#state = { source: parts.source.file, loadedAtMs: Date.now(), failure: null }
    this.#watch(first)
  }

  get current(): Settings {
    return this.#current
  }

  get state(): ConfigState {
    return this.#state
  }

  /** Resolves when the config on disk, as it is now or later, was tried. */
  reload(reason: string): Promise<void> {
    if (this.#running !== null) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#rounds(reason).finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #rounds(reason: string): Promise<void> {
    do {
      this.#again = false
      await this.#once(reason)
    } while (this.#again)
  }

  async #once(reason: string): Promise<void> {
    const { source, log, apply } = this.#parts
    const result = await this.#read()
    if (isRefused(result)) {
      this.#state = { ...this.#state, failure: { atMs: Date.now(), problems: result.problems.length } }
      log.error('config reload refused; the one before stays in force', { reason, problems: result.text })
      return
    }
    const before = this.#current
    this.#version++
    this.#current = result
    this.#state = { source: source.file, loadedAtMs: Date.now(), failure: null }
    apply(result)
    if (differ(before.files, result.files)) this.#watch(result)
    for (const warning of result.warnings)
      log.warn('config', { path: warning.path, warning: warning.message, hint: warning.hint })
    if (differ(before.server, result.server) || differ(before.runtime, result.runtime)) {
      log.warn('changes under `server` and `runtime` take effect at the next start', { reason })
    }
    log.info('config reloaded', { reason, version: this.#version, targets: result.snapshot.targets.length })
  }

  /** Also when no thread can be had to read it in, the config before stays. */
  async #read(): ReturnType<typeof readSettings> {
    try {
      return await readSettings(this.#parts.source, this.#version + 1, this.#current.allocation)
    } catch (error) {
      const { file } = this.#parts.source
      const problems = [problem('', `the config could not be read: ${String(error)}`)]
      return { problems, text: formatProblems(file, problems) }
    }
  }

  #watch(settings: Settings): void {
    this.close()
    const { file } = this.#parts.source
    const { keys, tls } = settings.files
    if (file !== '')
      this.#watches.push(watchFile(file, () => void this.reload('the config file changed'), { known: settings.hash }))
    if (keys !== '')
      this.#watches.push(watchFile(keys, () => void this.reload('the keys file changed'), { known: settings.keysHash }))
    const { tls: listener } = settings.server
    const listenerFiles = new Set(listener === null ? [] : [listener.certFile, listener.keyFile, listener.caFile])
    for (const path of tls) {
      const isListener = listenerFiles.has(path)
      this.#watches.push(
        watchFile(path, () => (isListener ? this.#parts.onTlsChange() : void this.reload('a TLS file changed')), {
          // Hashed now: a change before the watcher's own first look would be taken for what was there at start.
          known: hashOf(path),
        }),
      )
    }
  }

  close(): void {
    for (const watch of this.#watches) watch.close()
    this.#watches = []
  }
}

/** '' for a file that can't be read: whatever comes is a change. */
function hashOf(file: string): string {
  try {
    return contentHash(readFileSync(file))
  } catch {
    return ''
  }
}

const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b)
