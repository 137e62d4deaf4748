import { autocannon } from './autocannon.ts'
import type { ClosedGenerator } from './generator.ts'
import { oha } from './oha.ts'
import { wrk } from './wrk.ts'

/** In the order they are preferred: the cheaper the generator, the less it takes from what it measures. */
export const closedGenerators: readonly ClosedGenerator[] = [wrk, oha, autocannon]

export function chooseGenerator(name: string | undefined): ClosedGenerator {
  if (name === undefined) return closedGenerators.find(each => each.available()) ?? autocannon
  const found = closedGenerators.find(each => each.name === name)
  if (found === undefined) {
    throw new Error(`no generator "${name}"; there are ${closedGenerators.map(each => each.name).join(', ')}`)
  }
  if (!found.available()) throw new Error(`${name} is not on the PATH`)
  return found
}
