import { type Launch, launch, untilAnswered } from '../measure/launch.ts'
import { CHAT_PATH, jsonHeaders, type PeerContext, type StartedPeer } from './peer.ts'

export interface PeerLaunch extends Launch {
  readonly port: number
  readonly version: string
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
  readonly timeoutMs?: number
}

/** Starts a process and waits for its first 200; nothing is left behind when that doesn't come. */
export async function startPeer(context: PeerContext, options: PeerLaunch): Promise<StartedPeer> {
  const url = `http://127.0.0.1:${options.port}${options.path ?? CHAT_PATH}`
  const headers = { ...jsonHeaders, ...options.headers }
  const running = launch({ ...options, cores: context.cores })
  try {
    const startMs = await untilAnswered(running, { url, headers, body: context.probe }, options.timeoutMs ?? 15_000)
    return { url, headers, running, version: options.version, startMs }
  } catch (error) {
    await running.stop()
    throw error
  }
}
