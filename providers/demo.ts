import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type Json } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'

/** Answers in the process, so that the first request works before any key is set. */
export const demo = defineProvider({
  id: 'demo',
  settings: {},
  origin: () => 'local:demo',
  auth: () => ({ scheme: 'none' }),
  answer,
  forward: { proxy: 'none' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'verbatim' }),
  },
  models: ['demo'],
  // A curl line pasted from somewhere else names some model, and should get an answer too.
  anyModel: true,
})

const longestEcho = 120

function answer({ messages }: ChatRequest): string {
  const said = lastUserText(messages)
  const echo = said === '' ? '' : ` You said: “${said}”.`
  return `Hello! This is Ferrite's built-in demo provider, so no model has read your message.${echo} To talk to a real one, set OPENAI_API_KEY (or add a target to the config) and send the same request again.`
}

function lastUserText(messages: Json[]): string {
  const last = messages.findLast(message => isObject(message) && message.role === 'user')
  const text = isObject(last) ? contentText(last.content).replace(/\s+/g, ' ').trim() : ''
  const points = Array.from(text.slice(0, 2 * longestEcho + 2))
  return points.length > longestEcho ? `${points.slice(0, longestEcho).join('')}…` : points.join('')
}

function contentText(content: Json | undefined): string {
  if (typeof content === 'string') return content.slice(0, 4096)
  if (!Array.isArray(content)) return ''
  return content
    .map(part => (isObject(part) && typeof part.text === 'string' ? part.text.slice(0, 4096) : ''))
    .join(' ')
}
