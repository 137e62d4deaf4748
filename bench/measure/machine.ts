import { spawnSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { availableCores } from '../../src/control/available-cores.ts'

export interface Machine {
  readonly cpu: string
  /** That this process may keep busy. */
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  /** One-minute load average when the run began: how quiet the machine was. */
  readonly load: number
}

export function describeMachine(): Machine {
  const list = cpus()
  return {
    cpu: list[0]?.model.trim() ?? 'unknown',
    cores: availableCores(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    load: Math.round(loadavg()[0] * 100) / 100,
  }
}

export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** First line of what a program says about its version, on either stream. */
export function versionOf(program: string, flag: string): string {
  const result = spawnSync(program, [flag], { encoding: 'utf8' })
  return `${result.stdout ?? ''}${result.stderr ?? ''}`.split('\n')[0].trim() || 'unknown'
}

export function commitOf(directory: string): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: directory, encoding: 'utf8' })
  const commit = git('rev-parse', '--short=12', 'HEAD').stdout.trim()
  if (commit === '') return 'unknown'
  // What earlier runs wrote is no change of what is measured.
  return git('status', '--porcelain', '--', '.', ':!bench/results', ':!flamegraphs').stdout.trim() === ''
    ? commit
    : `${commit}+changes`
}
