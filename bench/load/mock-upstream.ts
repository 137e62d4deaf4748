import cluster from 'node:cluster'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { type Behaviour, behaviourFields, defaultBehaviour } from './mock/behaviour.ts'
import { createMock, type MockStats } from './mock/mock-server.ts'

// An OpenAI-shaped upstream that costs next to nothing. Prints one line of JSON when it listens:
// {"port":…,"pids":[…]}. Ends on SIGTERM, or when the process that started it is gone.

const about: Record<keyof Behaviour, string> = {
  delay: 'milliseconds before the answer',
  jitter: 'milliseconds ± around the delay',
  first: 'milliseconds between head and first byte of the body',
  chunks: 'content events of a stream',
  every: 'milliseconds between events',
  errors: 'share of requests answered with --status',
  status: 'status of those',
  resets: 'share of connections reset',
  limited: 'share of requests answered 429',
  retry: 'Retry-After of those, in seconds',
  size: 'bytes of content in the answer, or in each event',
}

const command = new Command('mock-upstream')
  .description(
    'A mock of an OpenAI-compatible provider. Each option can also be set per request by the model name or a path segment, as in bench-delay60-chunks50-every20.',
  )
  .option('--port <number>', 'port to listen on; 0: any', Number, 0)
  .option('--processes <number>', 'processes that share the port', Number, 1)
for (const field of behaviourFields) {
  command.option(`--${field} <number>`, about[field], Number, defaultBehaviour[field])
}
const options = command.parse().opts<Behaviour & { port: number; processes: number }>()

function listen(): void {
  const mock = createMock(
    Object.fromEntries(behaviourFields.map(field => [field, options[field]])) as unknown as Behaviour,
  )
  mock.server.listen({ port: options.port, host: '127.0.0.1', backlog: 8192 }, () => {
    if (cluster.isPrimary) announce((mock.server.address() as AddressInfo).port, [process.pid])
  })
  process.on('message', message => {
    if (message === 'stats') process.send?.({ stats: mock.stats })
  })
  process.once('SIGTERM', () => process.exit(0))
  process.once('disconnect', () => process.exit(0))
}

function announce(port: number, pids: number[]): void {
  process.stdout.write(`${JSON.stringify({ port, pids })}\n`)
}

if (cluster.isPrimary && options.processes > 1) {
  cluster.schedulingPolicy = cluster.SCHED_RR // an even spread of connections, whatever the kernel prefers
  cluster.setupPrimary({ exec: fileURLToPath(import.meta.url), args: process.argv.slice(2) })
  const workers = Array.from({ length: options.processes }, () => cluster.fork())
  let listening = 0
  for (const worker of workers) {
    worker.on('listening', address => {
      if (++listening === workers.length)
        announce(
          address.port,
          workers.map(each => each.process.pid ?? 0),
        )
    })
    worker.on('exit', code => process.exit(code ?? 1))
  }
  process.on('message', message => {
    if (message !== 'stats') return
    const total: MockStats = { requests: 0, streams: 0, aborted: 0, connections: 0, open: 0 }
    let answers = 0
    for (const worker of workers) {
      worker.once('message', (reply: { stats: MockStats }) => {
        for (const key of Object.keys(total) as (keyof MockStats)[]) total[key] += reply.stats[key]
        if (++answers === workers.length) process.send?.({ stats: total })
      })
      worker.send('stats')
    }
  })
  const end = () => {
    for (const worker of workers) worker.kill('SIGKILL')
    process.exit(0)
  }
  process.once('SIGTERM', end)
  process.once('disconnect', end)
} else listen()
