import { AwsEventStreamParser } from '../../src/upstream/framing/aws-event-stream.ts'
import { eventFrame } from '../../test/support/event-stream.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/aws-event-stream.js

const frame = eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: ' word' }, p: 'abcdefghijklmno' })
const other = eventFrame('contentBlockStop', { contentBlockIndex: 0, p: 'abcdef' })
const batch = Buffer.concat(Array.from({ length: 100 }, () => frame))
const mixed = Buffer.concat(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? frame : other)))
let events = 0
const parser = new AwsEventStreamParser({ maxBytes: 1 << 24 }, () => events++)

console.log(`frame of ${frame.length} bytes`)
measure('one frame per chunk', 200_000, () => parser.push(frame))
measure('100 frames per chunk', 3000, () => parser.push(batch))
measure('100 frames per chunk, names alternate', 3000, () => parser.push(mixed))
const halves = [frame.subarray(0, 90), frame.subarray(90)]
measure('one frame in two chunks', 200_000, () => {
  parser.push(halves[0])
  parser.push(halves[1])
})
