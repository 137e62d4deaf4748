import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openCatalog } from '../../src/catalog/catalog.ts'
import { type CatalogDocument, parseDocument } from '../../src/catalog/document.ts'
import { packCatalog } from '../../src/catalog/table.ts'
import type { Catalog } from '../../src/core/catalog.ts'
import { noUsage, type Usage } from '../../src/core/chat.ts'
import type { Json } from '../../src/core/json.ts'

// From the build output, which mirrors the tree one level down.
export const root = fileURLToPath(new URL('../../../', import.meta.url))

export const readDocument = (): CatalogDocument =>
  parseDocument(JSON.parse(readFileSync(`${root}catalog/models.json`, 'utf8')) as Json)

let shipped: Catalog | null = null
/** The catalog that goes out with the gateway. */
export const shippedCatalog = (): Catalog => (shipped ??= openCatalog(packCatalog(readDocument())))

/** A catalog of one section, `lab`, with these models. */
export const catalogOf = (models: readonly object[], providers: object = {}): Catalog =>
  openCatalog(
    packCatalog(parseDocument({ version: 1, providers, sections: [{ id: 'lab', models }] } as unknown as Json)),
  )

export const usageOf = (parts: Partial<Usage>): Usage => {
  const usage = { ...noUsage, ...parts }
  return { ...usage, total: usage.prompt + usage.completion }
}

/** The same numbers for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
