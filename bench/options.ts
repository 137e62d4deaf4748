import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Pinning } from './measure/cores.ts'

export interface BenchOptions {
  readonly scenario?: string[]
  readonly peer: string[]
  readonly compare?: string
  readonly targets: boolean
  readonly quick: boolean
  readonly duration: number
  readonly rounds: number
  readonly hours?: number
  readonly generator?: string
  readonly gateway: boolean
  readonly engine?: string
  readonly workers?: number
  readonly acceptors?: number
  readonly pin: Pinning
  readonly json: boolean
  readonly save: boolean
  readonly list: boolean
  readonly url?: string
  readonly header: string[]
  readonly keyEnv?: string
  readonly model: string
  readonly rate: number
  readonly maxConnections: number
  readonly maxP99?: number
  readonly maxErrors: number
}

export function parseOptions(words: readonly string[]): BenchOptions {
  const command = new Command('npm run bench --')
    .description(
      `Measures Ferrite beside a direct run and other gateways on this machine, against a mock provider it starts itself.
No key and no network needed. Everything runs in fresh processes, several rounds, in turning order.`,
    )
    .option('--scenario <names>', 'which scenarios, separated by commas (default: all but the soak)', list)
    .option(
      '--peer <what>',
      'what to measure beside it; may be repeated (default: nginx if installed, else relay)',
      collect,
      [],
    )
    .option('--no-gateway', 'measure only the peers')
    .option('--compare <ref>', 'also measure another commit, checked out and built in a temporary folder')
    .option('--targets', "check against the reference suite's published figures; exit code 1 if missed", false)
    .option('--quick', 'one round of 3 s of a few scenarios: a first look, about a minute', false)
    .option('--duration <seconds>', 'length of each measurement', positive, 15)
    .option('--rounds <number>', 'how often each side is measured', atLeastOne, 3)
    .option('--hours <number>', 'length of the soak scenario (default: 10 minutes)', positive)
    .option(
      '--generator <name>',
      'wrk, oha or autocannon (default: the first of them that is installed; autocannon always is)',
    )
    .addOption(new Option('--engine <name>', "the gateway's downstream engine").choices(['uws', 'node']))
    .option('--workers <number>', "the gateway's worker threads", count)
    .option('--acceptors <number>', "the gateway's acceptor threads", atLeastOne)
    .option(
      '--pin <how>',
      'cores: auto, none, or split (gateway, mock and load on cores of their own; needs 4)',
      pinning,
      'auto',
    )
    .option('--json', 'print the whole result as JSON, and progress on standard error only', false)
    .option('--no-save', 'write nothing to bench/results')
    .option('--list', 'show scenarios, peers and generators', false)
    .option('--url <url>', 'load a gateway that runs somewhere already (its chat completions URL); see below')
    .option('--header <line>', 'header for --url, as "Name: value"; may be repeated', collect, [])
    .option('--key-env <name>', 'environment variable with the key for --url')
    .option('--model <name>', 'model for --url', 'gpt-4o-mini')
    .option('--rate <number>', 'most requests per second for --url', positive, 20)
    .option('--max-connections <number>', 'most connections for --url', atLeastOne, 10)
    .option('--max-p99 <ms>', 'with --url: exit code 1 when p99 is above', positive)
    .option('--max-errors <percent>', 'with --url: exit code 1 when more answers than this fail', percentage, 1)
    .addHelpText(
      'after',
      `
Examples:
  npm run bench -- --quick
  npm run bench -- --scenario high-concurrency-1000,streams-400 --rounds 5
  npm run bench -- --peer nginx --peer haproxy --peer portkey
  npm run bench -- --peer 'mine=./gw -p {port} --to {upstream},http://127.0.0.1:{port}/v1/chat/completions,Authorization: Bearer \${KEY}'
  npm run bench -- --compare main --scenario saturation
  npm run bench -- --scenario soak --hours 8
  npm run bench -- --url https://gateway.example/v1/chat/completions --key-env GATEWAY_KEY --rate 5 --duration 30 --max-p99 2000

--url sends real requests to a real gateway, which may cost real money. It never goes above --rate and --max-connections,
runs each scenario once for --duration, and says beforehand how many requests that can be. It knows the scenarios that
need nothing of the mock (default: baseline).

Exit codes: 0 measured, 1 a target or limit was missed, 2 could not be measured.
`,
    )
  const options = command.exitOverride(endUnmeasured).parse(words, { from: 'user' }).opts<BenchOptions>()
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli'
  const idle = (options.url === undefined ? onlyWithUrl : onlyWithoutUrl).filter(isGiven)
  if (idle.length > 0) {
    const flags = idle.map(name => command.options.find(option => option.attributeName() === name)?.long ?? name)
    command.error(
      `error: ${flags.join(', ')} ${options.url === undefined ? 'needs --url' : 'has no meaning with --url'}`,
    )
  }
  return options
}

// What would be read and then do nothing: a limit that is not judged would pass everything.
const onlyWithUrl = ['header', 'keyEnv', 'model', 'rate', 'maxConnections', 'maxP99', 'maxErrors']
const onlyWithoutUrl =
  'peer gateway compare targets quick rounds hours generator engine workers acceptors pin save'.split(' ')

/** 1 would say that a limit was missed, where nothing was measured. */
export function endUnmeasured({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : 2)
}

function list(text: string): string[] {
  const names = text.split(',').filter(name => name !== '')
  if (names.length === 0) throw new InvalidArgumentError('It must name at least one.')
  return names
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

/** 0 is a limit too: nothing may fail, nothing is slowed. */
export function percentage(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError('It must be a percentage, from 0 to 100.')
  return value
}

export function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

function atLeastOne(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}

export function count(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('It must be a whole number.')
  return value
}

function pinning(text: string): Pinning {
  if (text !== 'auto' && text !== 'none' && text !== 'split') throw new InvalidArgumentError('auto, none or split')
  return text
}
