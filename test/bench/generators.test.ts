import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseOha } from '../../bench/load/generators/oha.ts'
import { parseWrk, wrk, wrkScript } from '../../bench/load/generators/wrk.ts'
import { parsePerf } from '../../bench/measure/perf.ts'
import { parseStat, parseStatus, readStat, threadCpu, treeCpu } from '../../bench/measure/procfs.ts'
import { quantileOf } from '../../bench/stats/histogram.ts'

test("wrk's result is read: failed answers are not counted as requests, points come in order", () => {
  const output = `Running 3s test @ http://127.0.0.1:1/
  1 threads and 50 connections
Requests/sec:    800.00

@result 2400 3000000 1 2 3 40 5
@point 50.0000 61700.0
@point 99.0000 64000.0
@point 0 60100.0
@point 100 70000.0
`
  const { seconds, requests, errors, latency } = parseWrk(output)
  assert.equal(seconds, 3)
  assert.equal(requests, 2360)
  assert.deepEqual(errors, { connect: 1, broken: 5, timeout: 5, status: 40 })
  assert.deepEqual(latency, [
    [0, 60.1],
    [0.5, 61.7],
    [0.99, 64],
    [1, 70],
  ])
})

test('wrk without a result is an error, not a run of zero requests', () => {
  assert.throws(() => parseWrk('unable to connect to 127.0.0.1:1'), /no result.*unable to connect/)
})

test('the script for wrk quotes what would end a Lua string or line', () => {
  const script = wrkScript({ connections: 1, headers: { 'X-A': 'say "hi"\\', 'X-B': 'two\nlines' } }, '/tmp/body')
  assert.ok(script.includes('wrk.headers["X-A"] = "say \\"hi\\"\\\\"'))
  assert.ok(script.includes('wrk.headers["X-B"] = "two\\nlines"'))
})

test('wrk tells what was measured: one slow answer is one, without the values it makes up between', async t => {
  if (!wrk.available()) return t.skip('wrk is not on the PATH')
  let asked = 0
  const server = createServer((request, response) => {
    request.resume()
    setTimeout(() => response.end('{}'), ++asked === 20 ? 2000 : 3)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const directory = mkdtempSync(join(tmpdir(), 'wrk-'))
  t.after(() => {
    server.close()
    rmSync(directory, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const result = await wrk.run({ url, headers: {}, body: '{}', connections: 1, seconds: 3, directory })
  assert.ok(result.requests >= 25 && result.requests <= asked, String(result.requests))
  assert.ok(Number(quantileOf(result.latency, 1)) >= 1990)
  // With what it makes up, every third value would be above.
  assert.ok(Number(quantileOf(result.latency, 0.9)) < 1000, JSON.stringify(result.latency))
})

test("oha's result is read: seconds become milliseconds, requests cut at the deadline are no errors", () => {
  const { requests, errors, latency } = parseOha(
    JSON.stringify({
      summary: { total: 10.01, slowest: 0.2, fastest: 0.06, successRate: 1 },
      latencyPercentiles: { p10: 0.0601, p50: 0.0615, p99: 0.07, 'p99.9': 0.1 },
      statusCodeDistribution: { '200': 900, '302': 4, '502': 3 },
      errorDistribution: {
        'aborted due to deadline': 50,
        'connection refused': 2,
        'operation timed out': 1,
        'closed early': 3,
      },
    }),
  )
  assert.equal(requests, 900)
  assert.deepEqual(errors, { connect: 2, broken: 3, timeout: 1, status: 7 })
  assert.equal(quantileOf(latency, 0.5), 61.5)
  assert.equal(quantileOf(latency, 1), 200)
})

test('instructions are read from perf, and what it may not count is not zero', () => {
  assert.equal(parsePerf('123456,,instructions:u,1000,100.00,,\n'), 123456)
  assert.equal(parsePerf('<not supported>,,instructions,0,100.00,,\n'), null)
  assert.equal(parsePerf(''), null)
})

test('CPU time is read past a command name with spaces and parentheses', () => {
  const fields = 'S 42 1 1 0 -1 4194560 1 0 0 0 150 50 30 20 20 0 11 0 100 1000 200'
  const stat = parseStat(`77 (node (worker) 1) ${fields}`)
  assert.deepEqual(stat, { pid: 77, parent: 42, cpu: 2, childrenCpu: 0.5, threads: 11 })
})

test('resident memory is read from the status file', () => {
  assert.equal(parseStatus('Name:\tnode\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n', 'VmRSS'), 1024)
  assert.equal(parseStatus('Name:\tkthreadd\n', 'VmRSS'), null)
})

test('a process that is gone has no figures', () => {
  assert.equal(readStat(2 ** 30), null)
  assert.equal(treeCpu(2 ** 30), null)
  assert.equal(threadCpu([2 ** 30]).size, 0)
})
