import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Failure } from '../../../src/core/failures.ts'
import type { Auth } from '../../../src/core/provider.ts'
import {
  type AuthorizedRequest,
  type Authorizer,
  createAuthorizer,
  type Rejection,
} from '../../../src/upstream/auth/index.ts'
import { createUpstream } from '../../../src/upstream/index.ts'
import type { Upstream } from '../../../src/upstream/upstream.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** An authorizer, the clock it goes by, and short words for what tests do with it. */
export interface Bench {
  readonly authorizer: Authorizer
  readonly clock: FakeClock
  readonly upstream: Upstream
  /** What `authorize` gives now, before anything is awaited. */
  now(request?: Partial<AuthorizedRequest>): string | Failure | Promise<string | Failure>
  lines(request?: Partial<AuthorizedRequest>): Promise<string>
  failure(): Promise<Failure>
  rejected(lines: string, more?: Partial<Rejection>): boolean
}

export interface BenchOptions {
  readonly clock?: FakeClock
  readonly upstream?: Upstream
}

export function bench(t: TestContext, auth: Auth, options: BenchOptions = {}): Bench {
  const clock = options.clock ?? new FakeClock()
  const upstream = options.upstream ?? createUpstream()
  if (options.upstream === undefined) t.after(() => upstream.close(0))
  const authorizer = createAuthorizer(auth, { upstream, clock })
  const now: Bench['now'] = request => {
    assert.ok(authorizer.authorize !== null)
    return authorizer.authorize({ ...plainRequest, nowMs: clock.nowMs, ...request })
  }
  return {
    authorizer,
    clock,
    upstream,
    now,
    async lines(request) {
      const lines = await now(request)
      assert.ok(!(lines instanceof Failure), lines instanceof Failure ? lines.details.cause : '')
      return lines
    },
    async failure() {
      const failure = await now()
      assert.ok(failure instanceof Failure, `a failure, not ${String(failure)}`)
      assert.equal(failure.kind, 'upstream_auth_error')
      return failure
    },
    rejected(lines, more) {
      const rejection = { status: 401, lines, date: '', errorType: '', body: '', nowMs: clock.nowMs, ...more }
      return authorizer.rejected?.(rejection) ?? false
    },
  }
}

export const plainRequest: AuthorizedRequest = {
  method: 'POST',
  host: 'upstream.example',
  path: '/v1/chat/completions',
  contentType: 'application/json',
  body: Buffer.from('{}'),
  nowMs: 0,
}

export const minutes = (count: number): number => count * 60_000
