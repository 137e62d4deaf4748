import { isUtf8 } from 'node:buffer'
import { at, readString, scanObject, spliceChat, TopLevel, validateChat } from '../../src/core/json-scan.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/json-scan.js

const chat = (content: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content }],
      temperature: 0.7,
      max_tokens: 64,
      stream: false,
    }),
  )

const text = (size: number): string =>
  'All work and no play makes Jack a dull boy. '.repeat(size / 44 + 1).slice(0, size)
const prose = (size: number): string =>
  'She said "no" — twice.\nThen she left the room and went on.\n'.repeat(size / 58 + 1).slice(0, size)

const bodies: Record<string, Buffer> = {
  '165 B': chat(text(54)),
  '500 B': chat(text(390)),
  '16 KB prose with escapes': chat(prose(15_000)),
  '1 MB plain (base64 image)': chat(text(1_000_000)),
  '1 MB prose with escapes': chat(prose(950_000)),
}

const top = new TopLevel()
for (const [name, body] of Object.entries(bodies)) {
  const rounds = Math.max(20, Math.min(200_000, Math.floor(60_000_000 / body.length)))
  console.log(`${name}: ${body.length} bytes`)
  measure('JSON.parse(utf8)', rounds, () => JSON.parse(body.toString('utf8')))
  measure('scanObject', rounds, () => scanObject(body, 0, body.length, top))
  measure('isUtf8', rounds, () => isUtf8(body))
  measure('scan, isUtf8, validate, model', rounds, () => {
    if (scanObject(body, 0, body.length, top) !== null || !isUtf8(body)) throw new Error('invalid')
    if (validateChat(body, top) !== null) throw new Error('invalid')
    return readString(body, top.start(at.model), top.end(at.model))
  })
  scanObject(body, 0, body.length, top)
  measure('spliceChat: model and usage', rounds, () =>
    spliceChat(body, 0, body.length, top, { model: 'gpt-4o', includeUsage: true }),
  )
}
