/**
 * Faults in a running gateway, without a line of product code for it: `gateway.ts` starts the child with
 * `--import fault-preload.js`, which runs in each of its threads before the thread's own code, and main takes commands
 * from the test over the child's IPC channel.
 */
export type Fault =
  /** An exception outside of any handler. */
  | { readonly kind: 'throw' }
  /** An endless loop. */
  | { readonly kind: 'loop' }
  /** A busy loop that ends. */
  | { readonly kind: 'block'; readonly ms: number }
  /** Objects until the thread's limit. */
  | { readonly kind: 'out-of-memory' }
  /** Memory outside of the heap, which trips no limit of V8. */
  | { readonly kind: 'buffers'; readonly mb: number }
  | { readonly kind: 'exit'; readonly code: number }

export interface ThreadInfo {
  /** In the roster. */
  readonly row: number
  readonly role: 'acceptor' | 'worker'
}

export type Command =
  | { readonly kind: 'threads' }
  | { readonly kind: 'fault'; readonly row: number; readonly fault: Fault }
  | { readonly kind: 'fault-in-main'; readonly fault: Fault }
  | { readonly kind: 'terminate'; readonly row: number }
  /** What each thread of this role that starts from now on does before its own code. */
  | { readonly kind: 'at-start'; readonly role: ThreadInfo['role']; readonly fault: Fault | null }
  | { readonly kind: 'figures' }
  /** Answered when each thread has dealt with what it was told before. */
  | { readonly kind: 'settle' }

/** Of one thread, after a collection. */
export interface Figures {
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
  /** Open handles and requests of its event loop. */
  readonly resources: number
}
