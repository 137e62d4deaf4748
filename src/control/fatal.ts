import { writeSync } from 'node:fs'

/**
 * The end that needs no one's cooperation. A process with an open uWebSockets.js app aborts on every ordinary way out,
 * so it says why and kills itself: status 137, no core dump, and a service manager starts it again.
 */
export function fatal(reason: string): never {
  try {
    writeSync(2, `ferrite: fatal: ${reason}\n`)
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
  // The signal may take a moment to arrive; nothing more may happen meanwhile.
  for (;;);
}
