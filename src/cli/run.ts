import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { didYouMean } from '../config/suggest.ts'
import type { ThreadEntries } from '../serve.ts'
import type { InitOptions } from './init.ts'
import type { ServeCommandOptions } from './serve.ts'
import { complain, isBrokenPipe, note, painter, print } from './terminal.ts'

/** The command line: parses, hands over to the file of a command, and returns the exit code. */
export async function run(args: readonly string[], entries: ThreadEntries): Promise<number> {
  // An early end of the reader is reported to the `write` that met it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  let code = 0
  const commands = createCommands(entries, ended => {
    code = ended
  })
  try {
    await commands.parseAsync(withCommand(args), { from: 'user' })
    return code
  } catch (error) {
    if (isBrokenPipe(error)) return 0
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : refuse(error, args, commands)
    throw error
  }
}

/** `ferrite --port 9000` is `ferrite serve --port 9000`. */
function withCommand(args: readonly string[]): string[] {
  const own = ['-h', '--help', '-V', '--version']
  return args[0] === undefined || (args[0].startsWith('-') && !own.includes(args[0])) ? ['serve', ...args] : [...args]
}

function createCommands(entries: ThreadEntries, end: (code: number) => void): Command {
  const program = new Command('ferrite')
  program
    .description('AI gateway: one OpenAI-compatible endpoint in front of many LLM providers.')
    .usage('[command] [options]')
    .option('-V, --version', 'print the version')
    .action(async ({ version }: { version?: true }) => {
      if (version === undefined) return program.help()
      await print(`${(await import('./version.ts')).versionNumber}\n`)
    })
    .addHelpText('after', '\nWithout a command: serve. More about one: ferrite help COMMAND')
    .helpCommand('help [command]', 'explain a command')
    .exitOverride()
    .configureOutput({
      writeOut: text => void print(text).catch(() => {}),
      // Usage under each error buries it; `refuse` says what is wrong.
      writeErr: () => {},
    })

  program
    .command('serve')
    .description('start the gateway (the default)')
    .option('-c, --config <file>', 'config file; default: $GATEWAY_CONFIG, else what the environment has')
    .option('-e, --env-file <file>', 'file with variables (NAME=value); those already set win')
    .option('-p, --port <number>', 'port to listen on; 0 takes a free one; default: $PORT, else 8080', portNumber)
    .action(async (options: ServeCommandOptions) =>
      end(await (await import('./serve.ts')).serveCommand(options, entries)),
    )

  program
    .command('init')
    .description('write a config file and an .env with a new master key')
    .addOption(new Option('--config-format <format>', 'default: yaml').choices(['yaml', 'json']))
    .option('-o, --output <file>', 'config file to write; default: config.yaml or config.json')
    .option('--non-interactive', 'ask nothing (init never does)')
    .action(async (options: InitOptions) => end(await (await import('./init.ts')).initCommand(options)))

  program
    .command('validate')
    .description('check a config file; credentials are not needed')
    .argument('<file>', 'config file, .yaml, .yml or .json')
    .action(async (file: string) => end(await (await import('./validate.ts')).validateCommand(file, entries)))

  const config = program.command('config').description('about the config file')
  config
    .command('schema')
    .description('print its JSON Schema, for editors')
    .action(async () => end(await (await import('./config-schema.ts')).configSchemaCommand()))

  program
    .command('version')
    .description('print what this build is')
    .addOption(new Option('--format <format>', 'how').choices(['table', 'json']).default('table'))
    .action(async ({ format }: { format: 'table' | 'json' }) =>
      end(await (await import('./version.ts')).versionCommand(format)),
    )

  return program
}

function portNumber(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('It must be a number from 0 to 65535.')
}

/** Commands of the interface that this version does not have yet. */
const planned = ['admin', 'doctor', 'plugins', 'status']

async function refuse(error: CommanderError, args: readonly string[], commands: Command): Promise<number> {
  const group = commands.commands.find(command => command.name() === args[0])
  const isWord = (word = ''): boolean => word !== '' && !word.startsWith('-')
  if (group === undefined && args[0] === 'help') return complain(unknownCommand(commands, args[1] ?? ''))
  if (group === undefined && isWord(args[0])) return complain(unknownCommand(commands, args[0]))
  if (error.code === 'commander.unknownCommand') return complain(unknownCommand(group ?? commands, args[1] ?? ''))
  if (error.code === 'commander.help') {
    // A group of commands without one of them.
    await note((group ?? commands).helpInformation())
    return 1
  }
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n')
  const see = `See: ferrite ${isWord(args[0]) ? `${args[0]} ` : ''}--help`
  return complain([first, ...rest, painter(process.stderr)('dim', see)].join('\n'))
}

function unknownCommand(group: Command, word: string): string {
  if (group.parent === null && planned.includes(word)) return `the command "${word}" is not available yet`
  const known = group.commands.map(command => command.name())
  const name = group.parent === null ? word : `${group.name()} ${word}`
  return `unknown command "${name}"; ${didYouMean(word, known) ?? `there are ${known.join(', ')}`}`
}
