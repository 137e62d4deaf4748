import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../../src/core/failures.ts'
import { authFailure } from '../../../src/upstream/auth/cause.ts'
import { Credential, type Fetched } from '../../../src/upstream/auth/credential.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { turn } from '../../support/raw-upstream.ts'
import { minutes } from './harness.ts'

const hour = minutes(60)

/** A source that answers when told; `calls` is how often it was asked. */
class Source {
  readonly clock = new FakeClock()
  calls = 0
  readonly #waiting: ((answer: Fetched<string> | Failure) => void)[] = []
  readonly credential = new Credential<string>(() => {
    this.calls++
    return new Promise(resolve => this.#waiting.push(resolve))
  }, this.clock)

  get(): string | Failure | Promise<string | Failure> {
    return this.credential.get(this.clock.nowMs)
  }

  async give(value: string, lifeMs: number): Promise<void> {
    await this.#answer({ value, expiresAtMs: this.clock.nowMs + lifeMs })
  }

  async fail(cause: string): Promise<void> {
    await this.#answer(authFailure(cause))
  }

  async #answer(answer: Fetched<string> | Failure): Promise<void> {
    const waiting = this.#waiting.shift()
    assert.ok(waiting !== undefined, 'nobody asks')
    waiting(answer)
    await turn()
  }
}

test('a thousand requests that need the first token cause one fetch', async () => {
  const source = new Source()
  const asked = Array.from({ length: 1000 }, () => source.get())
  await source.give('one', hour)
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['one']))
  assert.equal(source.calls, 1)
  assert.equal(source.get(), 'one', 'no promise any more')
})

test('a token is renewed five minutes before its end, and no request waits for that', async () => {
  const source = new Source()
  source.credential.warmUp()
  await source.give('one', hour)
  source.clock.advance(hour - minutes(6))
  assert.equal(source.calls, 1)
  source.clock.advance(minutes(1))
  assert.equal(source.calls, 2)
  assert.equal(source.get(), 'one')
  await source.give('two', hour)
  assert.equal(source.get(), 'two')
})

test('a token is renewed again and again while nobody asks', async () => {
  const source = new Source()
  source.credential.warmUp()
  for (let round = 1; round <= 30; round++) {
    assert.equal(source.calls, round)
    await source.give(`token ${round}`, hour)
    source.clock.advance(hour - minutes(5))
    assert.equal(source.get(), `token ${round}`)
  }
})

test('while renewing fails the old token is used, and the endpoint is asked ever more rarely', async () => {
  const source = new Source()
  source.credential.warmUp()
  await source.give('one', hour)
  source.clock.advance(hour - minutes(5))
  let failed = 0
  while (source.calls === 2 + failed && source.get() === 'one') {
    await source.fail('down')
    failed++
    source.clock.advance(30_000)
  }
  assert.ok(failed >= 5 && failed <= 15, `${failed} in five minutes`)
  const asked = source.get()
  if (asked instanceof Promise) await source.fail('down')
  const failure = await asked
  assert.ok(failure instanceof Failure)
  assert.equal(failure.details.cause, 'down')
})

test('an endpoint that fails is left alone for a while, then asked once', async () => {
  const source = new Source()
  const first = source.get()
  await source.fail('down')
  assert.ok((await first) instanceof Failure)
  for (let i = 0; i < 100; i++) assert.ok(source.get() instanceof Failure)
  assert.equal(source.calls, 1)
  const pauses: number[] = []
  for (let round = 0; round < 8; round++) {
    const since = source.clock.nowMs
    let asked = source.get()
    while (asked instanceof Failure) {
      source.clock.advance(500)
      asked = source.get()
    }
    pauses.push(source.clock.nowMs - since)
    await source.fail('down')
    await asked
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  source.clock.advance(30_000)
  const last = source.get()
  await source.give('two', hour)
  assert.equal(await last, 'two')
})

test('a token that has ended is not used: who asks waits for the next', async () => {
  const source = new Source()
  source.credential.warmUp()
  await source.give('one', hour)
  source.clock.nowMs += hour
  const asked = source.get()
  assert.ok(asked instanceof Promise)
  await source.give('two', hour)
  assert.equal(await asked, 'two')
})

test('a rejected token is dropped once; one that follows it is not, within a minute', async () => {
  const source = new Source()
  source.credential.warmUp()
  await source.give('one', hour)
  assert.equal(
    source.credential.reject(value => value === 'one', true),
    true,
  )
  assert.equal(
    source.credential.reject(value => value === 'one', true),
    true,
    'is on its way out already',
  )
  assert.equal(source.calls, 2)
  const asked = source.get()
  await source.give('two', hour)
  assert.equal(await asked, 'two')
  assert.equal(
    source.credential.reject(value => value === 'one', true),
    true,
    'there is a newer one',
  )
  assert.equal(
    source.credential.reject(value => value === 'two', true),
    false,
  )
  assert.equal(source.calls, 2)
  assert.equal(source.get(), 'two')
  source.clock.advance(minutes(2))
  assert.equal(
    source.credential.reject(value => value === 'two', true),
    true,
  )
  assert.equal(source.calls, 3)
})

test('after a 403 the old token comes back when no other can be had, after a 401 it does not', async () => {
  for (const isSure of [false, true]) {
    const source = new Source()
    source.credential.warmUp()
    await source.give('one', hour)
    source.credential.reject(value => value === 'one', isSure)
    const asked = source.get()
    await source.fail('down')
    const got = await asked
    assert.equal(got instanceof Failure, isSure)
    if (!isSure) assert.equal(source.get(), 'one')
  }
})

test('credentials that never end set no timer, and those that have ended already are not fetched per request', async () => {
  const source = new Source()
  source.credential.warmUp()
  await source.give('forever', Number.POSITIVE_INFINITY)
  source.clock.advance(1000 * hour)
  assert.equal(source.get(), 'forever')
  assert.equal(source.calls, 1)

  const stale = new Source()
  stale.credential.warmUp()
  await stale.give('old', -hour)
  for (let i = 0; i < 100; i++) assert.equal(stale.get(), 'old')
  assert.equal(stale.calls, 1)
})

test('a service that repeats the same token until it ends is asked once a minute at most', async () => {
  const clock = new FakeClock()
  const expiresAtMs = clock.nowMs + minutes(4)
  let calls = 0
  const credential = new Credential<string>(async () => {
    calls++
    return { value: 'same', expiresAtMs }
  }, clock)
  credential.warmUp()
  await turn()
  for (let second = 0; second < 225; second++) {
    clock.advance(1000)
    await turn()
  }
  assert.ok(calls >= 2 && calls <= 5, `${calls} calls`)
})
