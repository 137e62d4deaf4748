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
  /** For the curl line. */
  readonly model: string
}

export function banner(facts: BannerFacts): string {
  const threads = facts.workers === 0 ? `${facts.acceptors} acceptor(s) with the pipeline inside` : `${facts.acceptors} acceptor(s), ${facts.workers} worker(s)`
  const lines = [
    '',
    `  Ferrite ${facts.version} is listening on ${facts.url}`,
    '',
    `  engine    ${facts.engine}${facts.engineNote === '' ? '' : ` (${facts.engineNote})`}`,
    `  threads   ${threads}`,
    `  config    ${facts.config === '' ? 'built-in defaults (set GATEWAY_CONFIG to use a file)' : facts.config}`,
    `  targets   ${facts.targets.join(', ')} (${facts.strategy})`,
  ]
  if (facts.isDemo) lines.push('            no provider key was found, so the built-in demo answers; set OPENAI_API_KEY to use OpenAI')
  if (facts.open) lines.push('  auth      off (ALLOW_UNAUTHENTICATED_PROXY): anyone who reaches this port may use it')
  if (facts.generatedKey !== '') lines.push('', `  master key (generated for this run, shown once; set MASTER_KEY to choose it)`, '', `    ${facts.generatedKey}`)
  const key = facts.generatedKey === '' ? '$MASTER_KEY' : facts.generatedKey
  const auth = facts.open ? '' : ` \\\n      -H "Authorization: Bearer ${key}"`
  lines.push(
    '',
    '  Try it:',
    '',
    `    curl ${facts.url}/v1/chat/completions${auth} \\`,
    `      -H "Content-Type: application/json" \\`,
    `      -d '${JSON.stringify({ model: facts.model, messages: [{ role: 'user', content: 'Hello!' }] })}'`,
    '',
  )
  return `${lines.join('\n')}\n`
}
