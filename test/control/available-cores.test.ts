import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { availableCores } from '../../src/control/available-cores.ts'

const reader = (files: Readonly<Record<string, string>>) => (path: string) => files[path] ?? null

test('without a quota it is what the process may run on', () => {
  assert.equal(availableCores(reader({}), 6), 6)
  assert.equal(availableCores(reader({ '/proc/self/cgroup': 'nonsense\n\n0::\n' }), 6), 6)
  const unlimited = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': 'max 100000\n' }
  assert.equal(availableCores(reader(unlimited), 6), 6)
  assert.ok(availableCores() >= 1 && availableCores() <= availableParallelism())
})

test('a quota of a container counts, rounded up, and never more than there are', () => {
  for (const [max, cores] of [
    ['200000 100000', 2],
    ['150000 100000', 2],
    ['50000 100000', 1],
    ['1000 1000000', 1],
    ['12800000 100000', 64],
    ['0 100000', 64],
    ['100000', 64],
  ] as const) {
    const files = { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': `${max}\n` }
    assert.equal(availableCores(reader(files), 64), cores, max)
  }
})

test('the least of a group and those above it counts, also where only the root can be seen', () => {
  const nested = {
    '/proc/self/cgroup': '0::/system.slice/ferrite.service\n',
    '/sys/fs/cgroup/system.slice/cpu.max': '300000 100000\n',
    '/sys/fs/cgroup/system.slice/ferrite.service/cpu.max': 'max 100000\n',
  }
  assert.equal(availableCores(reader(nested), 64), 3)
  const hostPath = {
    '/proc/self/cgroup': '0::/kubepods/burstable/pod1/c2\n',
    '/sys/fs/cgroup/cpu.max': '400000 100000\n',
  }
  assert.equal(availableCores(reader(hostPath), 64), 4)
})

test('the first version of cgroups has it in two files', () => {
  const groups = '4:memory:/docker/a\n3:cpuset:/docker/a\n2:cpu,cpuacct:/docker/a\n0::/\n'
  const quota = (text: string) => ({
    '/proc/self/cgroup': groups,
    '/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us': text,
    '/sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us': '100000\n',
  })
  assert.equal(availableCores(reader(quota('250000\n')), 64), 3)
  assert.equal(availableCores(reader(quota('-1\n')), 64), 64)
  const root = {
    '/proc/self/cgroup': groups,
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '100000\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '50000\n',
  }
  assert.equal(availableCores(reader(root), 64), 2)
})
