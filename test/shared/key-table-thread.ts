import { hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { openKeyTable } from '../../src/shared/key-table.ts'

/** Looks for its share of the keys of a table, and for as many that are not there. */
const { memory, part, parts, count } = workerData as {
  memory: SharedArrayBuffer
  part: number
  parts: number
  count: number
}
const find = openKeyTable(memory)
let found = 0
let wrong = 0
for (let i = part; i < count; i += parts) {
  if (find(hash('sha256', `key-${i}`, 'binary'))?.id === `key-${i}`) found++
  if (find(hash('sha256', `nobody-${i}`, 'binary')) !== null) wrong++
}
parentPort?.postMessage({ found, wrong })
