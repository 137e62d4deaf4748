import { serve, type ThreadEntries } from '../serve.ts'
import { complain } from './terminal.ts'

export interface ServeCommandOptions {
  readonly config?: string
  readonly envFile?: string
  readonly port?: number
}

export async function serveCommand(
  { config, envFile, port }: ServeCommandOptions,
  entries: ThreadEntries,
): Promise<number> {
  if (envFile !== undefined) {
    const problem = loadEnvFile(envFile)
    if (problem !== null) return complain(`cannot start\n--env-file: ${problem}`)
  }
  return serve({ entries, configFile: config, port })
}

/**
 * Variables that are already set win, as with every tool that reads such files. Node 20 looks for `--env-file` in the
 * arguments of the script, too: it has then read the file already, or refused to start in its own words (exit 9).
 */
function loadEnvFile(file: string): string | null {
  try {
    process.loadEnvFile(file)
    return null
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? `${file} does not exist` : `${file} cannot be read as variables: ${message}`
  }
}
