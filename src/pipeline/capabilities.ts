import { jsonHeaders } from '../core/answer.ts'
import type { Provider } from '../core/provider.ts'
import type { Snapshot } from './compile.ts'
import type { Exchange } from './exchange.ts'

/** What clients may want to know of each provider before they ask it. */
const parameters = [
  'temperature',
  'top_p',
  'n',
  'seed',
  'max_tokens',
  'max_completion_tokens',
  'presence_penalty',
  'frequency_penalty',
  'stop',
  'tools',
  'tool_choice',
  'response_format',
  'logprobs',
  'top_logprobs',
  'parallel_tool_calls',
  'user',
  'logit_bias',
] as const

export type Support = 'forward' | 'translate' | 'unsupported'

export const supportOf = ({ codecs }: Provider): Readonly<Record<string, Support>> =>
  Object.fromEntries(parameters.map(name => [name, codecs.chat?.params?.[name] ?? 'forward']))

/** A snapshot's answer is made once. */
const bodies = new WeakMap<Snapshot, string>()

function bodyOf(snapshot: Snapshot): string {
  let body = bodies.get(snapshot)
  if (body === undefined) {
    const providers = [...new Set(snapshot.targets.map(({ provider }) => provider))]
    const formats = providers.filter(({ imageFormats }) => imageFormats !== undefined)
    const answer = {
      providers: Object.fromEntries(providers.map(provider => [provider.id, supportOf(provider)])),
      image_response_formats: Object.fromEntries(formats.map(({ id, imageFormats }) => [id, imageFormats])),
    }
    body = `${JSON.stringify(answer)}\n`
    bodies.set(snapshot, body)
  }
  return body
}

/** Answers `GET /v1/capabilities`: which parameters of chat each target's provider takes, and which forms of pictures. */
export function capabilitiesAnswer(exchange: Exchange): void {
  exchange.answer(200, jsonHeaders, '', bodyOf(exchange.snapshot))
}
