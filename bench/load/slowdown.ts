import { readFileSync } from 'node:fs'

// A preload (`node --import=…/slowdown.js?percent=20 …`) that makes every thread of a process use that much more CPU than
// it does by itself, to see whether the gate notices. Nothing of it is in the product.

const percent = Number(new URL(import.meta.url).searchParams.get('percent') ?? 0)
/** Seldom enough that waking up and looking cost nothing beside what is asked for. */
const INTERVAL_MS = 20
const SLICE_MS = 0.1

/** Milliseconds this thread has been on a CPU; without Linux, those its event loop was not waiting. */
function busyMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return performance.eventLoopUtilization().active
  }
}

if (percent > 0) {
  let burnt = 0
  let atLastTick = busyMs()
  setInterval(() => {
    const before = busyMs()
    const own = before - atLastTick
    const until = before + (own * percent) / 100 - burnt
    // What was burnt too much in one tick is burnt less in the next.
    let now = before
    while (now < until) {
      const spinUntil = performance.now() + Math.min(SLICE_MS * 10, Math.max(SLICE_MS, until - now))
      while (performance.now() < spinUntil);
      now = busyMs()
    }
    burnt = Math.max(0, now - until)
    atLastTick = now
  }, INTERVAL_MS).unref()
}
