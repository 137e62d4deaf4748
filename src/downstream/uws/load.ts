import { createRequire } from 'node:module'

/**
 * uWebSockets.js reads this variable of the process' environment once, when its addon is first loaded in any thread.
 * The composition root sets it, to the longest head in bytes, before anything here is called; without it heads that
 * arrive in pieces are limited to 4 KiB.
 */
export const headLimitVariable = 'UWS_HTTP_MAX_HEADERS_SIZE'

export type Uws = typeof import('uWebSockets.js')

let loaded: Uws | Error | undefined

/** By name and at run time: it is an optional dependency, and its binary doesn't exist for every platform. */
export function loadUws(): Uws | Error {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)('uWebSockets.js') as Uws
    } catch (error) {
      loaded = error instanceof Error ? error : new Error(String(error))
    }
  }
  return loaded
}

/** Loads the addon: see `headLimitVariable`. */
export function uwsAvailable(): { available: boolean; reason?: string } {
  const uws = loadUws()
  if (!(uws instanceof Error)) return { available: true }
  const isMissing =
    (uws as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' && uws.message.includes("'uWebSockets.js'")
  return { available: false, reason: isMissing ? 'uWebSockets.js is not installed' : lastLine(uws.message) }
}

/** The addon's own error explains at length which platforms it supports, and ends with what the loader said. */
const lastLine = (message: string): string => {
  const lines = message.split('\n').filter(line => line.trim() !== '' && !/^(Require stack:|- )/.test(line))
  return lines.at(-1) ?? message
}
