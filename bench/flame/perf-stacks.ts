import { addTime, type CallFrame, type Frame, type FrameLabel, label, newThread, type Position } from './fold.ts'

// What `perf script -F comm,tid,period,ip,sym,dso` prints: per sample a line with the thread, one line per frame, innermost
// first, and an empty line. https://man7.org/linux/man-pages/man1/perf-script.1.html

export interface PerfSample {
  /** What the kernel calls the thread. */
  readonly command: string
  readonly thread: number
  readonly us: number
  /** Outermost first. */
  readonly frames: readonly PerfFrame[]
}

export interface PerfFrame {
  readonly symbol: string
  /** The file it is mapped from. */
  readonly object: string
}

const HEAD = /^(\S.*?)\s+(\d+)\s+(\d+)\s*$/
const FRAME = /^\s+[0-9a-f]+ (.*) \((.*)\)$/
/** In every stack, and telling nothing. */
const noise = new Set(['entry_SYSCALL_64_after_hwframe', 'do_syscall_64', 'x64_sys_call'])
/** From the system call inwards; what lies deeper is the network stack's own. */
const mostKernelFrames = 8

export function parsePerfScript(text: string): PerfSample[] {
  const samples: PerfSample[] = []
  for (const block of text.split('\n\n')) {
    const [first, ...rest] = block.split('\n').filter(line => line !== '')
    const head = HEAD.exec(first ?? '')
    if (head === null) continue
    const frames: PerfFrame[] = []
    for (const line of rest) {
      const frame = FRAME.exec(line)
      if (frame !== null && frame[2] !== '[unknown]') frames.push({ symbol: frame[1], object: frame[2] })
    }
    // The period of a clock is in nanoseconds.
    samples.push({ command: head[1], thread: Number(head[2]), us: Number(head[3]) / 1000, frames: frames.reverse() })
  }
  return samples
}

/** What the innermost frame of a sample belongs to; the columns of the table. */
export const parts = ['kernel', 'own script', "Node's script", 'V8 and Node', 'collector', 'other native'] as const
export type Part = (typeof parts)[number]

export interface ThreadCost {
  readonly graph: Frame
  readonly us: Readonly<Record<Part, number>>
}

/** Samples as one graph and one row per kind of thread: an acceptor, a worker, what helps V8. Busiest first. */
export function foldSamples(
  samples: readonly PerfSample[],
  resolve: (frame: CallFrame) => Position | null,
): ThreadCost[] {
  const names = threadNames(samples)
  const byName = new Map<string, { graph: Frame; us: Record<Part, number> }>()
  for (const sample of samples) {
    const name = names.get(sample.thread) ?? sample.command
    let thread = byName.get(name)
    if (thread === undefined) {
      thread = {
        graph: newThread(name),
        us: Object.fromEntries(parts.map(part => [part, 0])) as Record<Part, number>,
      }
      byName.set(name, thread)
    }
    const path = labels(sample.frames, resolve)
    addTime(thread.graph, path, sample.us)
    thread.us[partOf(sample.frames, path)] += sample.us
  }
  return [...byName.values()].sort((a, b) => b.graph.totalUs - a.graph.totalUs)
}

/** A thread is named by its script's file; V8's helpers run none. */
function threadNames(samples: readonly PerfSample[]): Map<number, string> {
  const names = new Map<number, string>()
  for (const { thread, frames } of samples) {
    if (names.has(thread) && names.get(thread) !== helpers) continue
    for (const { symbol } of frames) {
      const entry = /file:\S*\/(\w[\w-]*)\.js:\d+:\d+$/.exec(symbol)
      if (entry !== null && !symbol.includes('/chunks/')) {
        // What main.js starts is the main thread's.
        names.set(thread, entry[1] === 'serve' ? 'main' : entry[1])
        break
      }
      if (symbol.startsWith('v8::') && !names.has(thread)) names.set(thread, helpers)
    }
  }
  return names
}
const helpers = 'V8 helpers'

const SCRIPT = /^JS:[*^~+]?(.*?) ?((?:file|node):\S+):(\d+):(\d+)$/
const COLLECTOR =
  /^v8::internal::(?:Heap::CollectGarbage|.*Scaveng|.*Mark(?:ing|Compact)|.*Sweep|MinorGCJob|.*ArrayBufferSweeper|.*Evacuat|GCTracer)/

function labels(frames: readonly PerfFrame[], resolve: (frame: CallFrame) => Position | null): FrameLabel[] {
  const result: FrameLabel[] = []
  let kernelFrames = 0
  let isCollecting = false
  for (const { symbol, object } of frames) {
    if (isKernel(object)) {
      if (!noise.has(symbol) && kernelFrames++ < mostKernelFrames) result.push({ name: bare(symbol), kind: 'kernel' })
      continue
    }
    const script = SCRIPT.exec(symbol)
    if (script !== null) {
      const [, functionName, url, line, column] = script
      result.push(label({ functionName, url, lineNumber: Number(line) - 1, columnNumber: Number(column) - 1 }, resolve))
      continue
    }
    isCollecting ||= COLLECTOR.test(symbol)
    const name = symbol === '[unknown]' ? `[${object.slice(object.lastIndexOf('/') + 1)}]` : bare(symbol)
    result.push({ name, kind: isCollecting ? 'collector' : 'native' })
  }
  return result
}

function partOf(frames: readonly PerfFrame[], path: readonly FrameLabel[]): Part {
  const last = path.at(-1)
  const object = frames.at(-1)?.object ?? ''
  if (last === undefined) return 'other native'
  switch (last.kind) {
    case 'kernel':
      return 'kernel'
    case 'ours':
      return 'own script'
    case 'node':
      return "Node's script"
    case 'collector':
      return 'collector'
    case 'native':
      return /\/node$|\/jitted-\d+-\d+\.so$/.test(object) ? 'V8 and Node' : 'other native'
  }
}

const isKernel = (object: string): boolean => /^\[(?:kernel|guest\.kernel)/.test(object) || object.endsWith('.ko')

/** Without what a compiler adds: arguments of functions and templates, copies' suffixes. */
function bare(symbol: string): string {
  let name = symbol
    .replace(/^non-virtual thunk to |^Builtins?[:_]/g, '')
    .replace(/(?:\.(?:part|isra|constprop|cold)(?:\.\d+)?)+$/, '')
  name = name.replaceAll('(anonymous namespace)::', '')
  for (let before = ''; before !== name; ) {
    before = name
    name = name.replace(/<[^<>]*>/g, '').replace(/\([^()]*\)/g, '')
  }
  return name.trim() || symbol
}
