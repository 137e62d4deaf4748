import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Checkout {
  readonly root: string
  readonly commit: string
  remove(): void
}

/** Another commit of ours, checked out and built in a folder of its own. The present checkout is not touched. */
export function checkOut(repository: string, ref: string, say: (line: string) => void): Checkout {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--verify', '--short=12', `${ref}^{commit}`)
  const root = join(mkdtempSync(join(tmpdir(), 'ferrite-compare-')), 'tree')
  const remove = () => {
    process.removeListener('exit', remove)
    git('worktree', 'remove', '--force', root)
    rmSync(join(root, '..'), { recursive: true, force: true })
  }
  process.once('exit', remove)
  say(`checking out ${commit} (${ref})`)
  git('worktree', 'add', '--detach', root, commit)
  try {
    const npm = (...args: string[]) => execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
    say('npm ci')
    npm('ci', '--no-audit', '--no-fund')
    say('npm run build')
    npm('run', 'build')
  } catch (error) {
    remove()
    throw error
  }
  return { root, commit, remove }
}
