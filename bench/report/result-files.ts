import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { otherGateways } from '../peers/installed.ts'
import type { ResultFile } from '../result.ts'

/** What `saveResult` writes; other files may lie beside it. */
const ownName = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-.+\.json$/

/** `2026-01-31T12-00-00-<commit>.json`: sorted by name is sorted by time. */
export function saveResult(folder: string, result: ResultFile): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${result.startedAt.slice(0, 19).replaceAll(':', '-')}-${result.commit}.json`)
  writeFileSync(file, `${JSON.stringify(result, roundNumbers)}\n`)
  return file
}

export function readResult(file: string): ResultFile {
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as ResultFile
  if (parsed.format !== 1 || !Array.isArray(parsed.cells)) throw new Error(`${file} is not a result of this benchmark`)
  return parsed
}

/** The newest run of every scenario at full length; null: there is none. */
export function newestFull(folder: string): FoundResult | null {
  return newest(folder, result => result.full)
}

/** The newest run beside gateways that others wrote, a first look left out; null: there is none. */
export function newestBesideOthers(folder: string): FoundResult | null {
  return newest(
    folder,
    result =>
      result.rounds >= 2 && result.seconds >= 5 && result.cells.some(({ side }) => otherGateways.includes(side)),
  )
}

export interface FoundResult {
  readonly file: string
  readonly result: ResultFile
}

function newest(folder: string, matches: (result: ResultFile) => boolean): FoundResult | null {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return null // nothing has been saved yet
  }
  for (const name of names
    .filter(each => ownName.test(each))
    .sort()
    .reverse()) {
    const result = readResult(join(folder, name))
    if (matches(result)) return { file: name, result }
  }
  return null
}

/** Five significant digits: more is noise, and the files are kept in git. */
function roundNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}
