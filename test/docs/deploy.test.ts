import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const checks: readonly [program: string, file: string, args: readonly string[]][] = [
  ['nginx', 'nginx.conf', ['-t', '-c']],
  ['haproxy', 'haproxy.cfg', ['-c', '-f']],
  ['caddy', 'Caddyfile', ['validate', '--adapter', 'caddyfile', '--config']],
]

for (const [program, file, args] of checks) {
  const isMissing = spawnSync(program, ['version']).error !== undefined
  test(`${program} accepts docs/deploy/${file}`, { skip: isMissing && `${program} is not installed` }, t => {
    const directory = mkdtempSync(join(tmpdir(), 'ferrite-deploy-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    const copy = join(directory, file)
    copyFileSync(resolve('docs/deploy', file), copy)
    // Where it may write without being root.
    if (program === 'nginx')
      writeFileSync(copy, `pid ${directory}/pid;\nerror_log stderr;\n${readFileSync(copy, 'utf8')}`)
    const { status, stdout, stderr } = spawnSync(program, [...args, copy], { encoding: 'utf8', cwd: directory })
    assert.equal(status, 0, stdout + stderr)
  })
}

test('the systemd unit restarts the gateway whenever it ends, and waits longer than the default grace', () => {
  const unit = readFileSync('docs/deploy/ferrite.service', 'utf8')
  assert.match(unit, /^Type=exec$/m)
  assert.match(unit, /^Restart=always$/m)
  assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) > 15)
  assert.doesNotMatch(unit, /^(WatchdogSec|MemoryDenyWriteExecute)=/m)
})
