import { defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'

/** https://docs.perplexity.ai/api-reference/chat-completions-post */
export const perplexity = defineProvider({
  id: 'perplexity',
  aliases: ['perplexity-ai'],
  ...hosted({ root: 'https://api.perplexity.ai', env: 'PERPLEXITY', keyAliases: ['PERPLEXITYAI_API_KEY'] }),
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens', metadata: sources }),
  },
  anyModel: true,
  models: ['sonar', 'sonar-pro', 'sonar-reasoning-pro', 'sonar-deep-research'],
  notes: 'Citations and search results are in `provider_metadata` too. User and assistant must take turns.',
})

const fields = ['citations', 'search_results', 'images', 'related_questions']

function sources(body: JsonObject): JsonObject | null {
  const found = fields.filter(field => body[field] !== undefined && body[field] !== null)
  return found.length === 0 ? null : Object.fromEntries(found.map(field => [field, body[field]]))
}
