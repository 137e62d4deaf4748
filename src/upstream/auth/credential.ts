import { Failure } from '../../core/failures.ts'
import type { Clock } from './authorizer.ts'

/** What a fetch resolves with; it never rejects. */
export interface Fetched<T> {
  readonly value: T
  /** ms since the epoch; Infinity = never. */
  readonly expiresAtMs: number
}
export type Fetch<T> = () => Promise<Fetched<T> | Failure>

/** Refreshed this long before the end, or at half of a shorter life. */
const refreshBeforeMs = 5.5 * 60_000
/** Not used for new requests this close to its end: it must still hold when the upstream looks at it. */
const marginMs = 15_000
/** What was just fetched is used this long, whatever it says of its end (or our clock of the time). */
const leastLifeMs = 10_000
/** Between a failed fetch and the next, doubling from the first to the second. */
const firstPauseMs = 1_000
const longestPauseMs = 30_000
/** A refresh that brought nothing newer (a metadata service that caches) is repeated after this. */
const repeatMs = 60_000
/** Rejections of credentials this young cause no further fetch: it is not their age. */
const rejectAgainMs = 60_000
/** Above this a timer of Node's would fire at once. */
const longestTimerMs = 12 * 3_600_000

interface Held<T> extends Fetched<T> {
  readonly goodUntilMs: number
}

/**
 * A credential that expires: fetched once for all that wait, renewed by a timer while the old one is good, and after a
 * failure not asked for again at once. The timer holds it weakly, so that it ends with its last user.
 */
export class Credential<T> {
  readonly #fetch: Fetch<T>
  readonly #clock: Clock
  #held: Held<T> | null = null
  #fetching: Promise<T | Failure> | null = null
  #failure: Failure | null = null
  #failures = 0
  #notBeforeMs = 0
  /** Of the newest timer: older ones do nothing. */
  #timer = 0
  #rejectedMs = Number.NEGATIVE_INFINITY
  #reserve: Held<T> | null = null

  /** `initial` is there without a fetch. */
  constructor(fetch: Fetch<T>, clock: Clock, initial: Fetched<T> | null = null) {
    this.#fetch = fetch
    this.#clock = clock
    if (initial !== null) this.#took(initial)
  }

  get(nowMs: number): T | Failure | Promise<T | Failure> {
    const held = this.#held
    if (held !== null && nowMs < held.goodUntilMs) return held.value
    if (this.#fetching !== null) return this.#fetching
    if (this.#failure !== null && this.#clock.now() < this.#notBeforeMs) return this.#failure
    return this.#refresh()
  }

  warmUp(): void {
    void this.get(this.#clock.now())
  }

  /**
   * The upstream didn't take it. True: another one may do. One that replaced it meanwhile is that already; else it is
   * dropped, but only once a minute, and kept in reserve when `isSure` is false (a 403 may well mean something else).
   */
  reject(isRejected: (value: T) => boolean, isSure: boolean): boolean {
    const held = this.#held
    if (held === null || !isRejected(held.value)) return true
    const nowMs = this.#clock.now()
    if (nowMs - this.#rejectedMs < rejectAgainMs) return false
    this.#rejectedMs = nowMs
    this.#held = null
    this.#reserve = isSure ? null : held
    // A pause after an earlier failure holds for this fetch too.
    if (this.#fetching === null && nowMs < this.#notBeforeMs && this.#failure !== null) this.#restore()
    else if (this.#fetching === null) void this.#refresh()
    return true
  }

  #refresh(): Promise<T | Failure> {
    this.#fetching = this.#fetch().then(fetched => {
      this.#fetching = null
      return fetched instanceof Failure ? this.#failed(fetched) : this.#took(fetched)
    })
    return this.#fetching
  }

  #took({ value, expiresAtMs }: Fetched<T>): T {
    const nowMs = this.#clock.now()
    const lifeMs = Math.max(0, expiresAtMs - nowMs)
    const goodUntilMs = nowMs + Math.max(leastLifeMs, lifeMs - Math.min(marginMs, lifeMs / 10))
    const isNewer = this.#held === null || this.#held.expiresAtMs !== expiresAtMs
    this.#held = { value, expiresAtMs, goodUntilMs }
    this.#reserve = null
    this.#failure = null
    this.#failures = 0
    if (expiresAtMs !== Number.POSITIVE_INFINITY) {
      const inMs = lifeMs - Math.min(refreshBeforeMs, lifeMs / 2)
      this.#refreshIn(isNewer ? Math.max(inMs, leastLifeMs) : Math.max(inMs, repeatMs))
    }
    return value
  }

  #failed(failure: Failure): T | Failure {
    const nowMs = this.#clock.now()
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures++, 10))
    this.#failure = failure
    this.#notBeforeMs = nowMs + pauseMs
    this.#restore()
    const held = this.#held
    // What has ended is fetched when somebody asks.
    if (held === null || nowMs >= held.goodUntilMs) return failure
    this.#refreshIn(Math.max(pauseMs, leastLifeMs))
    return held.value
  }

  #restore(): void {
    this.#held ??= this.#reserve
    this.#reserve = null
  }

  #refreshIn(delayMs: number): void {
    const timer = ++this.#timer
    const weak = new WeakRef(this)
    this.#clock.after(Math.min(delayMs, longestTimerMs), () => {
      const credential = weak.deref()
      if (credential !== undefined) credential.#renew(timer)
    })
  }

  #renew(timer: number): void {
    const held = this.#held
    if (timer !== this.#timer || held === null || this.#fetching !== null) return
    const lifeMs = held.expiresAtMs - this.#clock.now()
    if (lifeMs > longestTimerMs) this.#refreshIn(lifeMs - refreshBeforeMs)
    else void this.#refresh()
  }
}
