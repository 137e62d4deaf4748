import { type Launch, launch } from '../../measure/launch.ts'
import { startSampling, type Usage } from '../../measure/sampler.ts'

export interface Measured {
  readonly output: string
  readonly usage: Usage
}

/** Runs a program to its end and says what it printed and how busy it was. */
export async function runMeasured(options: Launch): Promise<Measured> {
  const running = launch(options)
  const sampler = startSampling(running.pid)
  let output = ''
  running.process.stdout?.on('data', chunk => {
    output += chunk
  })
  let code: number | null
  try {
    code = await new Promise((resolve, reject) => {
      running.process.once('error', reject)
      running.process.once('close', resolve)
    })
  } finally {
    sampler.stop()
  }
  const usage = sampler.stop()
  if (code !== 0) throw new Error(`${options.command[0]} ended with ${code}: ${running.errors()}${output.slice(-500)}`)
  return { output, usage }
}

/** Runs one of our own client programs: hands it its orders over IPC, and waits for its one message back. */
export async function runClients<Orders extends object, Answer>(
  script: URL,
  orders: Orders,
  cores?: string,
): Promise<{ answer: Answer; usage: Usage }> {
  const running = launch({ command: [process.execPath, script.pathname], ipc: true, cores })
  const sampler = startSampling(running.pid)
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      running.process.once('message', message => resolve(message as Answer))
      running.process.once('error', reject)
      running.process.once('close', code => reject(new Error(`load clients ended with ${code}: ${running.errors()}`)))
      running.process.send(orders)
    })
    return { answer, usage: sampler.stop() }
  } finally {
    sampler.stop()
    await running.stop()
  }
}
