/** Runs a command of the command line and returns its exit code. */
export async function run(args: readonly string[], _entries: unknown): Promise<number> {
  process.stderr.write(`unknown command ${args[0] ?? ''}\n`)
  return 1
}
