import type { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { Histogram } from '../../stats/histogram.ts'
import type { AutocannonAnswer } from '../generators/autocannon.ts'
import type { ClosedLoad } from '../generators/generator.ts'

// autocannon's own latencies are whole milliseconds, so each response is recorded here, in microseconds.

interface AutocannonResult {
  duration: number
  errors: number
  timeouts: number
  non2xx: number
  '2xx': number
  requests: { sent: number }
}
type Autocannon = (options: object, done: (error: Error | null, result: AutocannonResult) => void) => EventEmitter

const require = createRequire(import.meta.url)
const autocannon = require('autocannon') as Autocannon
const { version } = require('autocannon/package.json') as { version: string }

process.once('disconnect', () => process.exit(0))
process.once('message', (load: ClosedLoad) => {
  const histogram = new Histogram()
  let answered = 0
  const running = autocannon(
    {
      url: load.url,
      method: 'POST',
      headers: load.headers,
      body: load.body,
      connections: load.connections,
      duration: load.seconds,
      timeout: 30,
    },
    (error, result) => {
      if (error !== null && error !== undefined) throw error
      // It says nothing of connections that were closed without an answer. One per connection is under way at the end.
      const unanswered = result.requests.sent - answered - result.errors - load.connections
      const answer: AutocannonAnswer = {
        version,
        seconds: result.duration,
        requests: result['2xx'],
        errors: {
          connect: 0,
          broken: result.errors - result.timeouts + Math.max(0, unanswered),
          timeout: result.timeouts,
          status: result.non2xx,
        },
        latency: histogram.cdf(),
      }
      process.send?.(answer)
    },
  )
  running.on('response', (_client: unknown, _status: number, _bytes: number, milliseconds: number) => {
    answered++
    histogram.record(milliseconds * 1000)
  })
})
