import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { availableCores } from '../../../src/control/available-cores.ts'
import { onPath, versionOf } from '../../measure/machine.ts'
import { CDF_SHARES, type Cdf } from '../../stats/histogram.ts'
import type { ClosedGenerator, ClosedLoad, LoadErrors } from './generator.ts'
import { runMeasured } from './run-measured.ts'

export const wrk: ClosedGenerator = {
  name: 'wrk',
  available: () => onPath('wrk'),
  async run(load) {
    const bodyFile = join(load.directory, 'wrk-body')
    const script = join(load.directory, 'wrk.lua')
    writeFileSync(bodyFile, load.body)
    writeFileSync(script, wrkScript(load, bodyFile))
    // One thread makes over 100,000 requests a second; more only on machines that have cores to spare.
    const threads = Math.min(load.connections, availableCores() >= 8 ? 4 : 1)
    const { output, usage } = await runMeasured({
      cores: load.cores,
      command: [
        'wrk',
        `-t${threads}`,
        `-c${load.connections}`,
        `-d${Math.max(1, Math.round(load.seconds))}s`,
        '--timeout',
        '30s',
        '-s',
        script,
        load.url,
      ],
    })
    const result = parseWrk(output)
    return {
      generator: versionOf('wrk', '-v').replace(/ Copyright.*/, ''),
      ...result,
      events: 0,
      aborted: 0,
      firstByte: [],
      gaps: [],
      busiestThread: usage.busiestThread,
    }
  },
}

/**
 * wrk adds made-up values to its latencies before it hands them over (`stats_correct` in its stats.c): for each that is
 * above twice the mean interval of a connection, those that requests sent meanwhile would have had. Other closed loops
 * don't, and `open-arrival` measures what this guesses, so it is undone: from the highest value down, as what was added
 * to a value came from higher ones only. A layout of another wrk is noticed, as is a subtraction that doesn't come out.
 */
const measuredLatencies = `
local ffi = require('ffi')
ffi.cdef('typedef struct { uint64_t count, limit, min, max, data[]; } stats;')
local function measured(summary, latency, connections)
  local stats = ffi.cast('stats **', latency)[0]
  local max = tonumber(stats.max)
  if tonumber(stats.min) ~= latency.min or max ~= latency.max then error('this wrk keeps its latencies otherwise') end
  local each = math.floor(summary.requests / connections)
  local interval = each > 0 and math.floor(summary.duration / each) or max + 1
  for value = max, 2 * interval, -1 do
    local count = stats.data[value]
    if count > 0 then
      for lower = value - interval, interval + 1, -interval do
        if stats.data[lower] < count then error('this wrk corrects its latencies otherwise') end
        stats.data[lower] = stats.data[lower] - count
        stats.count = stats.count - count
      end
    end
  end
  local value, seen = -1, 0
  local total = tonumber(stats.count)
  -- For shares that rise.
  return function(share)
    while value < max and seen < math.ceil(share / 100 * total) do
      value = value + 1
      seen = seen + tonumber(stats.data[value])
    end
    return value
  end
end`

export function wrkScript(load: Pick<ClosedLoad, 'headers' | 'connections'>, bodyFile: string): string {
  const headers = Object.entries(load.headers).map(([name, value]) => `wrk.headers[${lua(name)}] = ${lua(value)}`)
  return `${measuredLatencies}
local file = io.open(${lua(bodyFile)}, 'rb')
wrk.method = 'POST'
wrk.body = file:read('*a')
file:close()
${headers.join('\n')}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n@result %d %d %d %d %d %d %d\\n', summary.requests, summary.duration,
    e.connect, e.read, e.write, e.status, e.timeout))
  if latency.max == 0 then return end
  local percentile = measured(summary, latency, ${load.connections})
  for _, share in ipairs({ ${CDF_SHARES.slice(1, -1)
    .map(share => +(share * 100).toFixed(4))
    .join(', ')} }) do
    io.write(string.format('@point %.4f %.1f\\n', share, percentile(share)))
  end
  io.write(string.format('@point 0 %.1f\\n@point 100 %.1f\\n', latency.min, latency.max))
end
`
}

/** Reads what the script above printed. */
export function parseWrk(output: string): {
  seconds: number
  requests: number
  errors: LoadErrors
  latency: Cdf
} {
  const found = /^@result (.*)$/m.exec(output)
  if (found === null) throw new Error(`wrk printed no result: ${output.slice(-500)}`)
  const [requests, durationUs, connect, readErrors, writeErrors, status, timeout] = found[1].split(' ').map(Number)
  const latency = [...output.matchAll(/^@point (\S+) (\S+)$/gm)]
    .map(([, share, us]) => [Number(share) / 100, Number(us) / 1000] as const)
    .sort(([a], [b]) => a - b)
  return {
    seconds: durationUs / 1e6,
    requests: requests - status,
    errors: { connect, broken: readErrors + writeErrors, timeout, status },
    latency: requests === 0 ? [] : latency,
  }
}

function lua(text: string): string {
  return `"${text.replace(/[\\"\n\r]/g, character => `\\${character === '\n' ? 'n' : character === '\r' ? 'r' : character}`)}"`
}
