import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'
import { providers } from '../../providers/index.ts'
import type { Provider, Setting } from '../core/provider.ts'
import { complain, painter, print } from './terminal.ts'

export interface InitOptions {
  readonly configFormat?: 'yaml' | 'json'
  readonly output?: string
}

export async function initCommand({ configFormat, output }: InitOptions): Promise<number> {
  const chosen = chooseFile(configFormat, output)
  if ('refused' in chosen) return complain(chosen.refused)
  const { file, format } = chosen
  const found = configuredProviders(process.env)
  const targets = found.length > 0 ? found : providers.slice(0, 1)
  const envFile = join(dirname(file), '.env')
  const written = [
    createFile(file, format === 'yaml' ? yamlConfig(targets, file) : jsonConfig(targets)),
    createFile(envFile, variables(found.length > 0 ? [] : targets)),
  ]
  const paint = painter(process.stdout)
  for (const result of written) {
    if (result.refused !== '') return complain(`${result.file}: ${result.refused}`)
    await print(
      result.skipped
        ? `${paint('yellow', '[-]')} skipped ${result.file}: it exists already\n`
        : `${paint('green', '[OK]')} wrote ${result.file}\n`,
    )
  }
  await print(nextSteps(file, envFile, found.length > 0 ? [] : targets))
  return 0
}

type Chosen = { readonly file: string; readonly format: 'yaml' | 'json' } | { readonly refused: string }

function chooseFile(format: InitOptions['configFormat'], output: string | undefined): Chosen {
  if (output === undefined) return { file: `config.${format ?? 'yaml'}`, format: format ?? 'yaml' }
  const byName = ({ '.yaml': 'yaml', '.yml': 'yaml', '.json': 'json' } as const)[extname(output).toLowerCase()]
  if (byName === undefined) return { refused: `${output}: the name must end in .yaml, .yml or .json` }
  if (format !== undefined && format !== byName)
    return { refused: `${output}: the name says ${byName}, --config-format says ${format}` }
  return { file: output, format: byName }
}

/** Those that have all they need in variables of their own, and these are set. */
function configuredProviders(env: NodeJS.ProcessEnv): Provider[] {
  const isSet = (name = ''): boolean => (env[name]?.trim() ?? '') !== ''
  return providers.filter(provider => {
    const needed = neededSettings(provider)
    const { needsOneOf = [], settings } = provider
    if (needsOneOf.length > 0 && !needsOneOf.some(name => isSet(settings[name].env))) return false
    return needed.length + needsOneOf.length > 0 && needed.every(setting => isSet(setting.env))
  })
}

const neededSettings = ({ settings }: Provider): Setting[] =>
  Object.values(settings).filter(
    ({ secret, required, default: fallback }) => fallback === undefined && (required ?? secret) === true,
  )

const neededVariables = (provider: Provider): string[] => neededSettings(provider).flatMap(({ env }) => env ?? [])

/** In words. */
function wantedVariables(provider: Provider): string {
  const { needsOneOf = [], settings } = provider
  const all = neededVariables(provider)
  const one = needsOneOf.flatMap(name => settings[name].env ?? []).join(', ')
  return (one === '' ? all : [...all, `one of ${one}`]).join(' and ')
}

interface Written {
  readonly file: string
  readonly skipped: boolean
  readonly refused: string
}

/** For the owner's eyes, and never over something that is there. */
function createFile(file: string, text: string): Written {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
    return { file, skipped: false, refused: '' }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'EEXIST' ? { file, skipped: true, refused: '' } : { file, skipped: false, refused: message }
  }
}

const yamlConfig = (targets: readonly Provider[], file: string): string => `# Ferrite configuration.
#   check it:       ferrite validate ${shellWord(file)}
#   all its keys:   config.example.yaml, or ferrite config schema (JSON Schema, for editors)
# Edits take effect while the gateway runs; one that is not valid is refused, and the config before it stays in force.
apiVersion: v1

server:
  port: 8080              # the variable PORT wins

# single: the first target, always. fallback: the targets in order, until one answers.
strategy:
  mode: fallback

# Upstreams, in order of preference. Credentials stay in the environment; a target without them is left out.
targets:
${targets.map(yamlTarget).join('')}
# Other names for models: the name clients use, then the model it stands for.
# aliases:
#   fast: gpt-4o-mini
`

const yamlTarget = (
  provider: Provider,
): string => `  - virtual_key: ${provider.id}   # needs ${wantedVariables(provider)}
    retry:
      attempts: 2         # how often it is asked in all
`

function jsonConfig(targets: readonly Provider[]): string {
  const config = {
    apiVersion: 'v1',
    server: { port: 8080 },
    strategy: { mode: 'fallback' },
    targets: targets.map(({ id }) => ({ virtual_key: id, retry: { attempts: 2 } })),
  }
  return `${JSON.stringify(config, null, 2)}\n`
}

const variables = (
  unconfigured: readonly Provider[],
): string => `# Variables for --env-file. Keep this file out of version control.
# The key of whoever runs the gateway; clients may use it as their API key.
MASTER_KEY=fgw_${randomBytes(16).toString('hex')}
${unconfigured
  .flatMap(neededVariables)
  .map(name => `${name}=\n`)
  .join('')}`

function nextSteps(file: string, envFile: string, unconfigured: readonly Provider[]): string {
  const [config, env] = [shellWord(file), shellWord(envFile)]
  const names = unconfigured.flatMap(neededVariables)
  const model =
    (unconfigured[0] ?? configuredProviders(process.env)[0])?.models?.find(id => id.endsWith('-mini')) ?? 'gpt-4o-mini'
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] })
  const steps = [
    ...(names.length > 0 ? [`Put your key into ${envFile}: ${names.join(', ')}`] : []),
    `Start it:\n\n     ${programName()} serve --config ${config} --env-file ${env}`,
    `Ask it something, from another terminal in this directory:\n
     curl http://localhost:8080/v1/chat/completions \\
       -H "Authorization: Bearer $(sed -n 's/^MASTER_KEY=//p' ${env})" \\
       -H "Content-Type: application/json" \\
       -d '${body}'`,
  ]
  return `\n${steps.map((step, index) => `  ${index + 1}. ${step}\n`).join('\n')}\n`
}

/** As the user called it, so that the lines above work when pasted. */
function programName(): string {
  const script = process.argv[1] ?? 'ferrite'
  if (extname(script) !== '.js') return basename(script)
  const path = relative(process.cwd(), script)
  return `node ${shellWord(path.startsWith('..') ? script : path)}`
}

const shellWord = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
