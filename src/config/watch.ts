import { createHash, hash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface WatchOptions {
  /** `contentHash` of what the caller has already read: a change between reading and watching is not missed. */
  readonly known?: string
  /** Quiet time after the last event before the file is read. */
  readonly debounceMs?: number
  /** Between two looks at the file itself, which see what events don't: network file systems, swapped symbolic links. */
  readonly pollMs?: number
}

export interface FileWatch {
  close(): void
}

export const contentHash = (content: string | Uint8Array): string => hash('sha256', content)

/**
 * Calls `onChange` once the bytes of a file differ from the last ones, however they got there:
 * written in place, renamed over, deleted and recreated, or behind a symbolic link that now points elsewhere
 * (Kubernetes swaps `..data`). A file that is away or unreadable is waited for. Nothing here keeps the process alive.
 */
export function watchFile(file: string, onChange: () => void, options: WatchOptions = {}): FileWatch {
  const watcher = new Watcher(file, onChange, options)
  watcher.start()
  return { close: () => watcher.close() }
}

class Watcher {
  readonly #file: string
  readonly #onChange: () => void
  readonly #debounceMs: number
  readonly #pollMs: number
  #hash: string | null
  /** What `stat` said last; it changes with nearly every change of the content, and costs less to look at. */
  #look = ''
  #directory: FSWatcher | null = null
  #directoryId = ''
  #poll: NodeJS.Timeout | null = null
  #pending: NodeJS.Timeout | null = null
  #reading = false
  #readAgain = false
  #closed = false

  constructor(file: string, onChange: () => void, { known, debounceMs = 100, pollMs = 1500 }: WatchOptions) {
    this.#file = file
    this.#onChange = onChange
    this.#hash = known ?? null
    this.#debounceMs = debounceMs
    this.#pollMs = pollMs
  }

  start(): void {
    void this.#tick()
  }

  close(): void {
    this.#closed = true
    this.#directory?.close()
    if (this.#poll !== null) clearTimeout(this.#poll)
    if (this.#pending !== null) clearTimeout(this.#pending)
  }

  async #tick(): Promise<void> {
    await this.#watchDirectory()
    const look = await identity(this.#file)
    if (look !== this.#look) {
      this.#look = look
      this.#soon()
    }
    if (this.#closed) return
    this.#poll = setTimeout(() => void this.#tick(), this.#pollMs).unref()
  }

  /** The directory, not the file: a watch on a file follows the old inode into its grave. */
  async #watchDirectory(): Promise<void> {
    const directory = dirname(this.#file)
    const id = await identity(directory, 'inode')
    if (this.#closed || (id === this.#directoryId && this.#directory !== null) || id === '') return
    this.#directory?.close()
    this.#directoryId = id
    try {
      this.#directory = watch(directory, { persistent: false }, () => this.#soon())
      this.#directory.on('error', () => this.#stopWatching())
    } catch {
      this.#directory = null // No inotify watches left, or a file system without events: polling goes on.
    }
  }

  #stopWatching(): void {
    this.#directory?.close()
    this.#directory = null
  }

  #soon(): void {
    if (this.#closed) return
    if (this.#pending !== null) clearTimeout(this.#pending)
    this.#pending = setTimeout(() => void this.#compare(), this.#debounceMs).unref()
  }

  async #compare(): Promise<void> {
    this.#pending = null
    if (this.#reading) {
      this.#readAgain = true
      return
    }
    this.#reading = true
    const found = await fileHash(this.#file)
    this.#reading = false
    if (this.#closed) return
    if (found !== '') this.#take(found)
    if (this.#readAgain) {
      this.#readAgain = false
      this.#soon()
    }
  }

  #take(found: string): void {
    const before = this.#hash
    this.#hash = found
    // Without a known hash the first reading only says what there is.
    if (before !== null && before !== found) this.#onChange()
  }
}

const pieceBytes = 64 * 1024

/**
 * `contentHash` of a file, read in pieces: this thread has no use for the bytes of a large one. '' when it is away or
 * unreadable; the next event or poll looks again.
 */
async function fileHash(path: string): Promise<string> {
  let file: FileHandle | null = null
  try {
    file = await open(path)
    const piece = Buffer.allocUnsafeSlow(pieceBytes)
    const digest = createHash('sha256')
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, pieceBytes, null)
      if (bytesRead === 0) return digest.digest('hex')
      digest.update(piece.subarray(0, bytesRead))
    }
  } catch {
    return ''
  } finally {
    await file?.close()
  }
}

/** A text that changes when the file behind a path does; '' when there is none. Links are followed. */
async function identity(file: string, what: 'inode' | 'content' = 'content'): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return what === 'inode' ? `${dev}:${ino}` : `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch {
    return ''
  }
}
