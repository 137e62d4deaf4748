/**
 * The memory map. Every SharedArrayBuffer that threads exchange frames over is laid out here and nowhere else.
 *
 *  ROSTER   one per process, one row per thread (row 0 = main), 2 cache lines a row
 *  ┌──────────────────────────────── 64 bytes ────────────────────────────────┐
 *  │ state │ beat │ heapMb │ externalMb │ inFlight │ lagMs │ …                │  status line: its thread writes, main reads
 *  ├──────────────────────────────────────────────────────────────────────────┤  (`state`: main writes, everybody reads)
 *  │ bell (0 awake, 1 asleep) │ dirty[8]: one bit per producing thread        │  doorbell line: producers write
 *  └──────────────────────────────────────────────────────────────────────────┘
 *
 *  PAIR     one per acceptor × consumer (a worker, or main for the control routes)
 *  ┌──────────────────────────────────────────────────────────────────────────┐
 *  │ requests.tail        (acceptor writes)                        64 bytes   │
 *  │ requests.head        (consumer writes)                        64 bytes   │
 *  │ requests.wantsSpace  (acceptor sets, consumer clears)         64 bytes   │
 *  │ responses.tail       (consumer writes)                        64 bytes   │
 *  │ responses.head       (acceptor writes)                        64 bytes   │
 *  │ responses.wantsSpace (consumer sets, acceptor clears)         64 bytes   │
 *  ├──────────────────────────────────────────────────────────────────────────┤
 *  │ stage[slots]: one i32 per exchange: free│queued│taken│sent│answering│…   │  how far it got, should the worker die
 *  ├──────────────────────────────────────────────────────────────────────────┤
 *  │ requests payload   (power of two, 8-byte aligned frames)                 │
 *  ├──────────────────────────────────────────────────────────────────────────┤
 *  │ responses payload  (power of two)                                        │
 *  └──────────────────────────────────────────────────────────────────────────┘
 *
 *  RECORDS  one per consumer thread: a single ring (tail, head, wantsSpace, payload) of exchange records towards main
 *
 *  Cursors are free-running 32-bit counters (they wrap; only differences are used). A cursor moves after the bytes it
 *  covers were written, so a thread that dies in the middle of a frame leaves nothing that could be read.
 */

export const cacheLine = 64
const lineWords = cacheLine / 4

// Frames ---------------------------------------------------------------------------------------------------------

/** u32 length · i32 exchange id · u8 kind · u8 flags · u16 code · u32 meta length · meta · payload, padded to 8 bytes. */
export const frameHeader = 16

export const Kind = {
  /** Acceptor → consumer. A request's head, and its body as far as it has come; in `code` how long that will be, see below. */
  request: 1,
  /** Acceptor → consumer. A piece of a head that is too long for one frame; `request` brings the last piece. */
  requestPart: 2,
  body: 3,
  /** The client is gone; the consumer still ends the exchange with `end` or `abort`. */
  cancel: 4,
  /** Credit: the client has taken `meta length` bytes more. */
  drained: 5,
  /** Consumer → acceptor. Status in `code`, header block in meta (first 4 bytes: body length, 0xFFFFFFFF = streamed). */
  head: 16,
  chunk: 17,
  end: 18,
  /** Cut the connection: what was sent is not a whole answer. */
  abort: 19,
  /** Credit: `meta length` bytes of the upload were taken. */
  ack: 20,
} as const

export const Flag = {
  /** `request`, `body`: the body ends here. `head`: the payload is the whole body and the exchange ends. */
  last: 1,
  /** `head`: an event stream, which can carry a late error. */
  events: 2,
  /** `request`: the head is ASCII, which is read faster. */
  ascii: 4,
} as const

/** The length of a body that is still to come, in `code`: in units of this, rounded up; 0 = unknown. */
export const lengthUnit = 16 << 10
export const mostUnits = 0xffff

/** How far an exchange got, by slot. The acceptor writes `free` and `queued`, the consumer the rest. */
export const Stage = { free: 0, queued: 1, taken: 2, sent: 3, answering: 4, streaming: 5 } as const

// Roster ---------------------------------------------------------------------------------------------------------

export const rosterRowBytes = 2 * cacheLine
const rosterRowWords = rosterRowBytes / 4
/** Bits in the dirty bitmap, hence threads in the process. */
export const maxThreads = 256
const dirtyWords = maxThreads / 32

export const ThreadState = { empty: 0, starting: 1, live: 2, suspect: 3, draining: 4, dead: 5 } as const
export type ThreadStateName = keyof typeof ThreadState

export const roster = {
  bytes: maxThreads * rosterRowBytes,
  state: (thread: number): number => thread * rosterRowWords,
  beat: (thread: number): number => thread * rosterRowWords + 1,
  heapMb: (thread: number): number => thread * rosterRowWords + 2,
  externalMb: (thread: number): number => thread * rosterRowWords + 3,
  inFlight: (thread: number): number => thread * rosterRowWords + 4,
  lagMs: (thread: number): number => thread * rosterRowWords + 5,
  bell: (thread: number): number => thread * rosterRowWords + lineWords,
  dirty: (thread: number, word: number): number => thread * rosterRowWords + lineWords + 1 + word,
  dirtyWords,
} as const

// Pairs ----------------------------------------------------------------------------------------------------------

export interface RingLayout {
  /** Indexes into an Int32Array over the buffer. */
  readonly tail: number
  readonly head: number
  readonly wantsSpace: number
  /** Byte offset and size of the payload; the size is a power of two. */
  readonly offset: number
  readonly size: number
}

export interface PairLayout {
  readonly requests: RingLayout
  readonly responses: RingLayout
  /** Index of the first stage word in an Int32Array. */
  readonly stages: number
  readonly slots: number
  readonly bytes: number
}

const powerOfTwoAtMost = (n: number): number => 2 ** Math.floor(Math.log2(n))

export function pairLayout(ringBytes: number, slots: number): PairLayout {
  const control = 6 * cacheLine
  const stageBytes = Math.ceil((slots * 4) / cacheLine) * cacheLine
  const requests = control + stageBytes
  return {
    requests: { tail: 0, head: lineWords, wantsSpace: 2 * lineWords, offset: requests, size: ringBytes },
    responses: {
      tail: 3 * lineWords,
      head: 4 * lineWords,
      wantsSpace: 5 * lineWords,
      offset: requests + ringBytes,
      size: ringBytes,
    },
    stages: control / 4,
    slots,
    bytes: requests + 2 * ringBytes,
  }
}

/** All pairs share one memory budget; a ring is 64 KiB … 1 MiB. Untouched pages of a ring cost nothing. */
export function pairSizes(
  acceptors: number,
  consumers: number,
  budgetBytes: number,
): { ringBytes: number; slots: number } {
  const pairs = Math.max(1, acceptors * consumers)
  const ringBytes = Math.min(1 << 20, Math.max(64 << 10, powerOfTwoAtMost(budgetBytes / pairs / 2)))
  const slots = Math.min(16_384, Math.max(1_024, powerOfTwoAtMost(65_536 / pairs)))
  return { ringBytes, slots }
}

export function recordsLayout(ringBytes: number): RingLayout & { readonly bytes: number } {
  return {
    tail: 0,
    head: lineWords,
    wantsSpace: 2 * lineWords,
    offset: 3 * cacheLine,
    size: ringBytes,
    bytes: 3 * cacheLine + ringBytes,
  }
}

/**
 * Exchange ids: the slot in the low 14 bits, a generation above it. A slot is used again only after its exchange
 * ended on both sides, and then with another generation, so a late frame of the old exchange is recognised.
 */
export const slotBits = 14
export const slotOf = (id: number): number => id & ((1 << slotBits) - 1)
/** Signed, so that it is a small integer for V8 and no object of its own. */
export const exchangeId = (slot: number, generation: number): number => (generation << slotBits) | slot
