import { type Paint, painter } from './terminal.ts'

/** What a person at the terminal needs to begin with. Written to stderr. */
export interface BannerFacts {
  readonly version: string
  readonly url: string
  readonly engine: string
  readonly engineNote: string
  readonly acceptors: number
  readonly workers: number
  readonly strategy: string
  readonly targets: readonly string[]
  readonly isDemo: boolean
  readonly config: string
  /** '' unless it was made for this run. */
  readonly generatedKey: string
  readonly open: boolean
  /** For the curl line; '' when none of the targets chats. */
  readonly model: string
}

export function banner(facts: BannerFacts, paint: Paint = painter(process.stderr)): string {
  const row = (name: string, ...lines: string[]) =>
    lines.map((line, index) => `  ${(index === 0 ? name : '').padEnd(10)}${line}`)
  const lines = [
    '',
    `  ${paint('bold', `Ferrite ${facts.version}`)} is listening on ${paint('bold', facts.url)}`,
    '',
    ...row('engine', facts.engineNote === '' ? facts.engine : `${facts.engine} (${facts.engineNote})`),
    ...row('threads', threads(facts)),
    ...row(
      'config',
      facts.config === '' ? 'built-in defaults (GATEWAY_CONFIG or --config names a file)' : facts.config,
    ),
    ...row('targets', `${facts.targets.join(', ')} (${facts.strategy})`, ...(facts.isDemo ? demoNote : [])),
  ]
  if (facts.open)
    lines.push(
      ...row('auth', paint('yellow', 'off (ALLOW_UNAUTHENTICATED_PROXY): whoever reaches this port may use it')),
    )
  if (facts.generatedKey !== '') {
    lines.push(
      '',
      '  Master key, made for this run and shown once (MASTER_KEY sets one that stays):',
      '',
      `    ${paint('bold', facts.generatedKey)}`,
    )
  }
  if (facts.model !== '') lines.push('', '  Try it:', '', ...tryIt(facts))
  lines.push('')
  return `${lines.join('\n')}\n`
}

const demoNote = [
  'No provider key was found, so the built-in demo answers.',
  'Set OPENAI_API_KEY and start again to talk to a model.',
]

function threads({ acceptors, workers }: BannerFacts): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  return workers === 0
    ? `${count(acceptors, 'acceptor')}, with the pipeline inside`
    : `${count(acceptors, 'acceptor')}, ${count(workers, 'worker')}`
}

function tryIt({ url, open, generatedKey, model }: BannerFacts): string[] {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] })
  return [
    `    curl ${url}/v1/chat/completions \\`,
    ...(open ? [] : [`      -H "Authorization: Bearer ${generatedKey === '' ? '$MASTER_KEY' : generatedKey}" \\`]),
    '      -H "Content-Type: application/json" \\',
    `      -d '${body}'`,
  ]
}
