/** The parts of a `.cpuprofile` that matter here. https://chromedevtools.github.io/devtools-protocol/tot/Profiler/ */
export interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[]
}

export interface CallFrame {
  readonly functionName: string
  readonly url: string
  /** Both from zero. */
  readonly lineNumber: number
  readonly columnNumber: number
}

export interface Position {
  readonly file: string
  readonly line: number
  readonly name?: string
}

/** Whose code: the program's, Node's own scripts, native code, the kernel's, or what collects garbage. */
export type FrameKind = 'ours' | 'node' | 'native' | 'kernel' | 'collector'

export interface FrameLabel {
  readonly name: string
  readonly kind: FrameKind
}

export interface Frame extends FrameLabel {
  /** Microseconds in it and in what it called. */
  totalUs: number
  readonly children: Map<string, Frame>
}

export function newThread(name: string): Frame {
  return { name, kind: 'native', totalUs: 0, children: new Map() }
}

/** Adds time spent at the end of a path, outermost call first, to everything on it. */
export function addTime(thread: Frame, path: readonly FrameLabel[], us: number): void {
  thread.totalUs += us
  let frame = thread
  for (const { name, kind } of path) {
    let child = frame.children.get(name)
    if (child === undefined) {
      child = { name, kind, totalUs: 0, children: new Map() }
      frame.children.set(name, child)
    }
    child.totalUs += us
    frame = child
  }
}

/** Waiting is no work; what the profiler can't see into stays, as `(native)`. */
const WAITING = new Set(['(idle)'])

/** A profile as a tree of frames by name, the same calls drawn together. Its name is that of the thread's entry. */
export function foldProfile(profile: Profile, resolve: (frame: CallFrame) => Position | null): Frame {
  const nodes = new Map(profile.nodes.map(node => [node.id, node]))
  const parents = new Map<number, number>()
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id)
  const selfUs = new Map<number, number>()
  profile.samples.forEach((id, index) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, profile.timeDeltas[index]))
  })

  const paths = new Map<number, readonly FrameLabel[]>()
  const pathOf = (id: number): readonly FrameLabel[] => {
    const known = paths.get(id)
    if (known !== undefined) return known
    const node = nodes.get(id)
    const parent = parents.get(id)
    // The root has no parent and no name worth drawing.
    const path = node === undefined || parent === undefined ? [] : [...pathOf(parent), label(node.callFrame, resolve)]
    paths.set(id, path)
    return path
  }

  const thread = newThread(entryOf(profile, resolve))
  for (const [id, us] of selfUs) {
    const path = pathOf(id)
    if (us > 0 && !path.some(({ name }) => WAITING.has(name))) addTime(thread, path, us)
  }
  return thread
}

/** A function of a script, with its place in the sources where that is known. */
export function label(frame: CallFrame, resolve: (frame: CallFrame) => Position | null): FrameLabel {
  const position = resolve(frame)
  const name = position?.name ?? (frame.functionName === '' ? '(anonymous)' : frame.functionName)
  if (position !== null) return { name: `${name} ${position.file}:${position.line}`, kind: 'ours' }
  if (frame.url === '') return { name, kind: name.startsWith('(garbage') ? 'collector' : 'native' }
  return { name: `${name} ${shortUrl(frame.url)}`, kind: frame.url.startsWith('node:') ? 'node' : 'ours' }
}

function shortUrl(url: string): string {
  return url.startsWith('node:') ? url : url.slice(url.lastIndexOf('/') + 1)
}

/** The first file of the program itself that the profile mentions: `acceptor`, `worker`, `main`. */
function entryOf(profile: Profile, resolve: (frame: CallFrame) => Position | null): string {
  const entries = profile.nodes.filter(
    node => node.callFrame.functionName === '' && node.callFrame.url.startsWith('file:'),
  )
  const entry = entries.find(node => !node.callFrame.url.includes('/chunks/')) ?? entries[0]
  if (entry === undefined) return 'thread'
  return shortUrl(entry.callFrame.url).replace(/\.js$/, '') || (resolve(entry.callFrame)?.file ?? 'thread')
}
