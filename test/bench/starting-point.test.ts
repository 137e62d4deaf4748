import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startingPoint } from '../../bench/starting-point.ts'

/** A repository on branch main; `commit` returns the new commit's id. */
function repository(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'bench-git-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const who = ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.com', '-c', 'commit.gpgsign=false']
  const git = (...args: string[]) =>
    execFileSync('git', [...who, ...args], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const write = (text: string) => writeFileSync(join(root, 'file'), text)
  const commit = (text: string) => {
    write(text)
    git('add', 'file')
    git('commit', '-m', text)
    return git('rev-parse', 'HEAD')
  }
  git('init', '-b', 'main')
  return { root, git, write, commit }
}

test('on a branch the gate compares with where it left main, however far both have gone on', t => {
  const { root, git, commit } = repository(t)
  commit('one')
  const fork = commit('two')
  git('checkout', '-b', 'feature')
  commit('three')
  commit('four')
  assert.equal(startingPoint(root), fork)
  git('checkout', 'main')
  commit('elsewhere')
  git('checkout', 'feature')
  assert.equal(startingPoint(root), fork)
})

test('on main it is what was pushed last, or the commit before', t => {
  const { root, git, commit } = repository(t)
  const first = commit('one')
  const second = commit('two')
  assert.equal(startingPoint(root), first)
  commit('three')
  git('update-ref', 'refs/remotes/origin/main', second)
  assert.equal(startingPoint(root), second)
  git('update-ref', 'refs/remotes/origin/main', 'HEAD')
  assert.equal(startingPoint(root), second, 'all is pushed: the commit before')
})

test('changes that are in no commit are compared with the last one', t => {
  const { root, write, commit } = repository(t)
  commit('one')
  const second = commit('two')
  write('changed')
  assert.equal(startingPoint(root), second)
})

test('a clone without history, and a folder that is no checkout, are errors that say what to do', t => {
  const { root, commit } = repository(t)
  commit('one')
  const shallow = `${root}/shallow`
  commit('two')
  execFileSync('git', ['clone', '--depth', '1', `file://${root}`, shallow], { stdio: 'ignore' })
  assert.throws(
    () => startingPoint(shallow),
    /the history ends at [0-9a-f]{12}\. Fetch more of it .* or name a baseline/,
  )
  const folder = mkdtempSync(join(tmpdir(), 'bench-no-git-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  assert.throws(() => startingPoint(folder), /is no git checkout/)
})
