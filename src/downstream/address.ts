/** Addresses of clients as text, from the bytes of a socket address. */

const remembered = new Map<number, string>()
const maxRemembered = 4096

/** 4 or 16 bytes in network order. IPv6 as RFC 5952 has it; an IPv4-mapped one as IPv4. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return ipv4(bytes, 0)
  if (bytes.length !== 16) return ''
  return isMapped(bytes) ? ipv4(bytes, 12) : ipv6(bytes)
}

/** What `socket.remoteAddress` says, in the same form. */
export const plainAddress = (text: string | undefined): string => {
  if (text === undefined) return ''
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text
}

function ipv4(bytes: Uint8Array, at: number): string {
  const key = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
  let text = remembered.get(key)
  if (text === undefined) {
    text = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
    if (remembered.size === maxRemembered) remembered.clear()
    remembered.set(key, text)
  }
  return text
}

function isMapped(bytes: Uint8Array): boolean {
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

function ipv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[index * 2] << 8) | bytes[index * 2 + 1])
  const [start, length] = longestZeroRun(groups)
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return length < 2 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0]
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best[1]) best = [start, length]
  }
  return best
}
