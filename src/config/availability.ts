import { isObject } from '../core/json.ts'
import { childPath, type Problem, problem } from './problems.ts'

const modes = ['loadbalance', 'conditional', 'least-latency', 'cost-optimized', 'content-based', 'ab-test']

/**
 * What a config may say but this version can't do yet. Refused, never ignored: a guardrail that silently isn't there
 * is worse than a gateway that doesn't start. Delete a row when its feature works.
 */
const unavailable: readonly Row[] = [
  { path: 'strategy.mode', when: mode => modes.includes(String(mode)), what: mode => `the strategy mode "${mode}"` },
  { path: 'targets[].circuit_breaker', what: () => 'circuit_breaker' },
  { path: 'targets[].concurrency', what: () => 'concurrency' },
  { path: 'plugins[]', when: isEnabled, what: plugin => `the plugin "${nameOf(plugin)}"` },
  { path: 'mcp_servers[]', what: server => `the MCP server "${nameOf(server)}"` },
  { path: 'observability.tracing', when: isTracing, what: () => 'tracing' },
  { path: 'observability.exporters[]', when: isEnabled, what: exporter => `the exporter "${nameOf(exporter)}"` },
]

interface Row {
  /** `[]` stands for every item of a list. */
  readonly path: string
  /** Missing: whenever there is a value. */
  readonly when?: (value: unknown) => boolean
  readonly what: (value: unknown) => string
}

export function checkAvailability(config: unknown): Problem[] {
  const problems: Problem[] = []
  for (const { path, when, what } of unavailable) {
    for (const [place, value] of valuesAt(config, path)) {
      if (when === undefined || when(value)) problems.push(problem(place, `${what(value)} is not available yet`))
    }
  }
  return problems
}

function valuesAt(config: unknown, pattern: string): [path: string, value: unknown][] {
  let found: [string, unknown][] = [['', config]]
  for (const step of pattern.split('.')) {
    const key = step.replace('[]', '')
    found = found.flatMap(([path, value]) =>
      isObject(value) && Object.hasOwn(value, key) ? [[childPath(path, key), value[key]]] : [],
    )
    if (step.endsWith('[]')) {
      found = found.flatMap(([path, list]) =>
        Array.isArray(list) ? list.map((item, index) => [childPath(path, index), item]) : [],
      ) as typeof found
    }
  }
  return found.filter(([, value]) => value !== null && value !== undefined)
}

function isEnabled(entry: unknown): boolean {
  return isObject(entry) && entry.enabled === true
}

function isTracing(tracing: unknown): boolean {
  return (
    isObject(tracing) &&
    (tracing.enabled === true || (tracing.enabled !== false && typeof tracing.endpoint === 'string'))
  )
}

function nameOf(entry: unknown): string {
  return isObject(entry) ? String(entry.name ?? '') : ''
}
