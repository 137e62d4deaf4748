import type { Catalog, Cost, ModelFacts, PriceDetail } from '../core/catalog.ts'
import type { Usage } from '../core/chat.ts'
import { compileTariff, costOf, nanoUsdOf, type Tariff } from './cost.ts'
import type { Model } from './document.ts'
import { Resolver } from './resolve.ts'
import { openTable } from './table.ts'

/** What a thread keeps of the models it has met lately; ids may come from clients. */
const mostEntries = 256
const mostIds = 2048

interface Entry {
  readonly facts: ModelFacts
  readonly tariff: Tariff | null
}

const noDetail: PriceDetail = {}
const opened = new WeakMap<SharedArrayBuffer, Catalog>()

/** A thread's way into a catalog that all threads share. Nothing of it is read before the first question. */
export function openCatalog(memory: SharedArrayBuffer | null): Catalog {
  if (memory === null) return noCatalog
  let catalog = opened.get(memory)
  if (catalog === undefined) {
    catalog = new SharedCatalog(memory)
    opened.set(memory, catalog)
  }
  return catalog
}

const noCatalog: Catalog = {
  facts: () => null,
  models: () => [],
  owns: () => false,
  price: () => null,
  cost: () => null,
}

/** `price(provider, model, usage, detail?)`, and no more: what records need. */
export const createPricer = (memory: SharedArrayBuffer | null): Pick<Catalog, 'price'> => openCatalog(memory)

class SharedCatalog implements Catalog {
  readonly #memory: SharedArrayBuffer
  #resolver: Resolver | null = null
  #table!: ReturnType<typeof openTable>
  readonly #rows = new Map<string, number>()
  readonly #entries = new Map<number, Entry>()
  /** The last question and its answer: most are like the one before. */
  #provider = ''
  #model = ''
  #last: Entry | null = null

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory
  }

  facts(provider: string, model: string): ModelFacts | null {
    return this.#entry(provider, model)?.facts ?? null
  }

  models(provider: string): readonly string[] {
    const ids: string[] = []
    for (const { firstRow, rows } of this.#open().sectionsOf(provider))
      for (let row = firstRow; row < firstRow + rows; row++) {
        const { id, deprecated } = this.#table.model(row)
        if (deprecated !== true) ids.push(id)
      }
    return ids
  }

  owns(provider: string, model: string): boolean {
    return this.#open().owns(provider, model)
  }

  price(provider: string, model: string, usage: Usage, detail = noDetail): Cost | null {
    const tariff = this.#tariffOf(provider, model, detail)
    return tariff === null ? null : costOf(usage, tariff, detail)
  }

  cost(provider: string, model: string, usage: Usage, detail = noDetail): number | null {
    const tariff = this.#tariffOf(provider, model, detail)
    return tariff === null ? null : nanoUsdOf(usage, tariff, detail)
  }

  #tariffOf(provider: string, model: string, detail: PriceDetail): Tariff | null {
    const answeredBy = detail.answeredBy ?? ''
    const isAnswerFirst = answeredBy !== '' && this.#open().answersFirst(provider)
    const first = isAnswerFirst ? answeredBy : model
    const second = isAnswerFirst ? model : answeredBy
    return this.#tariff(provider, first) ?? (second === '' ? null : this.#tariff(provider, second))
  }

  #tariff(provider: string, model: string): Tariff | null {
    return this.#entry(provider, model)?.tariff ?? null
  }

  #entry(provider: string, model: string): Entry | null {
    if (model !== this.#model || provider !== this.#provider) {
      this.#last = this.#lookUp(provider, model)
      this.#provider = provider
      this.#model = model
    }
    return this.#last
  }

  #lookUp(provider: string, model: string): Entry | null {
    const key = `${provider}\0${model}`
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = this.#open().find(provider, model)
      if (this.#rows.size >= mostIds) this.#rows.clear()
      if (key.length <= 512) this.#rows.set(key, row)
    }
    return row < 0 ? null : this.#entryAt(row)
  }

  #entryAt(row: number): Entry {
    let entry = this.#entries.get(row)
    if (entry === undefined) {
      entry = toEntry(this.#table.model(row))
      if (this.#entries.size >= mostEntries) this.#entries.clear()
      this.#entries.set(row, entry)
    }
    return entry
  }

  #open(): Resolver {
    if (this.#resolver === null) {
      this.#table = openTable(this.#memory)
      this.#resolver = new Resolver(this.#table)
    }
    return this.#resolver
  }
}

function toEntry(model: Model): Entry {
  const { mode = 'chat', context = 0, maxOutput = 0, capabilities = null, status = '', deprecated = false } = model
  return {
    facts: { mode, contextWindow: context, maxOutputTokens: maxOutput, capabilities, status, deprecated },
    tariff: compileTariff(model),
  }
}
