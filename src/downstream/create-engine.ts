import type { Engine, EngineOptions } from './engine.ts'
import { loadUws, uwsAvailable } from './uws/load.ts'

export { headLimitVariable, uwsAvailable } from './uws/load.ts'

/**
 * `auto` takes uWebSockets.js where its binary loads and can do what is asked, else plain sockets. A kind that was
 * asked for by name and can't be had throws, as do files and options that no engine can use.
 */
export async function createEngine(kind: 'auto' | 'uws' | 'node', options: EngineOptions): Promise<Engine> {
  if (kind === 'uws' || (kind === 'auto' && canUseUws(options))) {
    const { reason } = uwsAvailable()
    if (loadUws() instanceof Error) throw new Error(`the uws engine is not available: ${reason}`)
    const { UwsEngine } = await import('./uws.ts')
    return new UwsEngine(options)
  }
  const { NodeEngine } = await import('./node.ts')
  return new NodeEngine(options)
}

const canUseUws = ({ tls }: EngineOptions): boolean =>
  tls?.minVersion !== 'TLSv1.3' && tls?.caFile === undefined && uwsAvailable().available
