import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorkerLog, type LogEntry } from '../../src/telemetry/worker-log.ts'

const setUp = (level: 'debug' | 'info' = 'info') => {
  const posted: LogEntry[] = []
  const clock = { ms: 0, suppressed: 0 }
  const log = createWorkerLog({
    level,
    post: entry => posted.push(structuredClone(entry)),
    linesPerSecond: 10,
    burst: 3,
    onSuppressed: () => clock.suppressed++,
    now: () => clock.ms,
  })
  return { posted, clock, log }
}

test('what is posted is plain data, also for errors and buffers', () => {
  const { posted, log } = setUp()
  log.error('upstream failed', { trace_id: 't', error: new TypeError('no'), callback() {}, bytes: Buffer.alloc(3) })
  assert.equal(posted[0].level, 'error')
  assert.equal(posted[0].msg, 'upstream failed')
  assert.deepEqual(posted[0].fields.bytes, '[3 bytes]')
  assert.equal((posted[0].fields.error as { type: string }).type, 'TypeError')
})

test('a line below the level is not posted and costs no allowance', () => {
  const { posted, log } = setUp()
  for (let i = 0; i < 10; i++) log.debug('no')
  log.info('yes')
  assert.deepEqual(
    posted.map(entry => entry.msg),
    ['yes'],
  )
  assert.deepEqual([log.isEnabled('debug'), log.isEnabled('error')], [false, true])
})

test('lines above the rate are counted, and the count goes with the next line that may', () => {
  const { posted, clock, log } = setUp()
  for (let i = 0; i < 8; i++) log.warn('flood')
  assert.equal(posted.length, 3)
  assert.equal(clock.suppressed, 5)
  clock.ms += 100
  log.warn('after')
  assert.deepEqual(posted.slice(3), [
    { level: 'warn', msg: 'log records suppressed', fields: { count: 5 } },
    { level: 'warn', msg: 'after', fields: {} },
  ])
  clock.ms += 100
  log.warn('again')
  assert.equal(posted.length, 6)
})

test('the count is posted even when nothing follows', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { posted, log } = setUp()
  for (let i = 0; i < 5; i++) log.warn('flood')
  t.mock.timers.tick(10_000)
  assert.deepEqual(posted.at(-1), { level: 'warn', msg: 'log records suppressed', fields: { count: 2 } })
  assert.equal(posted.length, 4)
})
