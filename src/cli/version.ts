import { built, commit, version } from '../core/version.ts'
import { print } from './terminal.ts'

export { version as versionNumber } from '../core/version.ts'

export async function versionCommand(format: 'table' | 'json'): Promise<number> {
  const facts = {
    version,
    commit,
    built,
    node: process.versions.node,
    os_arch: `${process.platform}/${process.arch}`,
  }
  const table = Object.entries(facts).map(([name, value]) => `${name.padEnd(10)}${value}`)
  await print(format === 'json' ? `${JSON.stringify(facts, null, 2)}\n` : `${table.join('\n')}\n`)
  return 0
}
