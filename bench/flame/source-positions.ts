import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, relative, resolve as resolvePath } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CallFrame, Position } from './fold.ts'

/** Positions in bundles as positions in sources, by the `.map` beside each; paths relative to `root`. */
export function resolverFor(root: string): (frame: CallFrame) => Position | null {
  const maps = new Map<string, SourceMap | null>()
  return frame => {
    if (!frame.url.startsWith('file:')) return null
    const file = fileURLToPath(frame.url)
    let map = maps.get(file)
    if (map === undefined) {
      map = readMap(file)
      maps.set(file, map)
    }
    const entry = map?.findEntry(frame.lineNumber, frame.columnNumber)
    if (entry === undefined || !('originalSource' in entry)) {
      return { file: relative(root, file), line: frame.lineNumber + 1 }
    }
    const source = resolvePath(dirname(file), entry.originalSource.replace(/^file:\/\//, ''))
    return { file: relative(root, source), line: entry.originalLine + 1 }
  }
}

function readMap(file: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
  } catch {
    return null // no map: the bundle's own positions will do
  }
}
