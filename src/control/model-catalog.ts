import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { openTable } from '../catalog/table.ts'

/** `remote`: from the URL. `fallback`: the one that came with the gateway. */
export interface CatalogLoad {
  readonly source: 'remote' | 'fallback'
  readonly result: 'ok' | 'failed'
}

/** The catalog in force: the one beside the bundles, until a newer one was fetched and found good in every part. */
export class ModelCatalog {
  #memory: SharedArrayBuffer | null
  /** Why there is none; '' when there is. */
  readonly problem: string
  readonly loads = new Map<string, CatalogLoad & { count: number }>()

  constructor(file: URL) {
    const found = readCatalog(file)
    this.#memory = typeof found === 'string' ? null : found
    this.problem = typeof found === 'string' ? found : ''
    this.#count('fallback', this.problem === '' ? 'ok' : 'failed')
  }

  /** null: there is none. All models are unknown then, and nothing is priced. */
  get memory(): SharedArrayBuffer | null {
    return this.#memory
  }

  /** What came of an attempt to get a newer one; null: nothing. True when another catalog is in force than before. */
  replace(memory: SharedArrayBuffer | null): boolean {
    this.#count('remote', memory === null ? 'failed' : 'ok')
    if (memory === null || (this.#memory !== null && Buffer.from(this.#memory).equals(Buffer.from(memory))))
      return false
    this.#memory = memory
    return true
  }

  #count(source: CatalogLoad['source'], result: CatalogLoad['result']): void {
    const key = `${source} ${result}`
    const load = this.loads.get(key) ?? { source, result, count: 0 }
    load.count++
    this.loads.set(key, load)
  }
}

/** The text: why it can't be used. */
function readCatalog(file: URL): SharedArrayBuffer | string {
  try {
    const memory = readShared(file)
    openTable(memory)
    return memory
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Straight to where it stays: no second copy. */
function readShared(file: URL): SharedArrayBuffer {
  const descriptor = openSync(file, 'r')
  try {
    const memory = new SharedArrayBuffer(fstatSync(descriptor).size)
    const bytes = new Uint8Array(memory)
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(descriptor, bytes, at, bytes.length - at, at)
      if (count === 0) break
      at += count
    }
    return memory
  } finally {
    closeSync(descriptor)
  }
}
