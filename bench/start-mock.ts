import { fileURLToPath } from 'node:url'
import { type Behaviour, behaviourFields } from './load/mock/behaviour.ts'
import type { MockStats } from './load/mock/mock-server.ts'
import { launch, type Running } from './measure/launch.ts'

export interface StartedMock {
  readonly port: number
  readonly running: Running
  stats(): Promise<MockStats>
}

const script = fileURLToPath(new URL('./load/mock-upstream.js', import.meta.url))

export async function startMock(
  behaviour: Partial<Behaviour>,
  processes: number,
  cores?: string,
): Promise<StartedMock> {
  const flags = behaviourFields
    .filter(field => behaviour[field] !== undefined)
    .flatMap(field => [`--${field}`, String(behaviour[field])])
  const running = launch({
    command: [process.execPath, script, '--processes', String(processes), ...flags],
    ipc: true,
    cores,
  })
  const { port } = JSON.parse(await running.firstLine) as { port: number }
  return {
    port,
    running,
    stats: () =>
      new Promise(resolve => {
        running.process.once('message', message => resolve((message as { stats: MockStats }).stats))
        running.process.send('stats')
      }),
  }
}
