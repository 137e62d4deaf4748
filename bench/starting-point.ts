import { spawnSync } from 'node:child_process'

const mainBranches = ['origin/HEAD', 'origin/main', 'main']

/**
 * The commit a change started from, as a gate should take it: on a branch, where it left the main one; on the main one,
 * the commit before, or the last if there are changes that are in none. Throws where the history doesn't say.
 */
export function startingPoint(repository: string): string {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { cwd: repository, encoding: 'utf8' })
    return status === 0 ? stdout.trim() : null
  }
  const head = git('rev-parse', '--verify', 'HEAD^{commit}')
  if (head === null) throw new Error(`no commit to compare with: ${repository} is no git checkout. ${remedy}`)
  const fork = mainBranches.map(branch => git('merge-base', branch, 'HEAD')).find(commit => commit !== null)
  if (fork !== undefined && fork !== head) return fork
  if (git('status', '--porcelain', '--untracked-files=no') !== '') return head
  const before = git('rev-parse', '--verify', 'HEAD^')
  if (before === null) throw new Error(`no commit to compare with: the history ends at ${head.slice(0, 12)}. ${remedy}`)
  return before
}

const remedy =
  'Fetch more of it (git fetch --unshallow, or fetch-depth: 0 in a workflow), or name a baseline: --baseline nginx'
