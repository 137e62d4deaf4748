import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { bearer } from './hosted.ts'
import { namedIn } from './model-lists.ts'

/** https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference */
export const databricks = defineProvider({
  id: 'databricks',
  settings: {
    apiKey: { env: 'DATABRICKS_TOKEN', aliases: ['DATABRICKS_API_KEY'], secret: true, required: false },
    baseUrl: {
      env: 'DATABRICKS_HOST',
      aliases: ['DATABRICKS_API_BASE'],
      required: true,
      help: 'the workspace, such as https://dbc-1234.cloud.databricks.com',
    },
    clientId: { env: 'DATABRICKS_CLIENT_ID', required: false, help: 'of a service principal, in place of a token' },
    clientSecret: { env: 'DATABRICKS_CLIENT_SECRET', secret: true, required: false },
    oidcUrl: { required: false, help: 'default: /oidc/v1/token of the workspace' },
  },
  discovery: {
    root: ({ baseUrl }) => servingRoot(baseUrl).replace(/\/serving-endpoints$/, '/api/2.0'),
    path: '/serving-endpoints',
    decode: namedIn('endpoints', 'name'),
  },
  needsOneOf: ['apiKey', 'clientId'],
  origin({ baseUrl, apiKey, clientId, clientSecret }) {
    if (!apiKey && clientId && !clientSecret) throw new Error('client_secret is needed next to client_id')
    return servingRoot(baseUrl)
  },
  auth: ({ apiKey, baseUrl, clientId, clientSecret, oidcUrl }) =>
    apiKey || !clientId
      ? bearer(apiKey)
      : {
          scheme: 'oauth-client-credentials',
          // https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
          tokenUrl: oidcUrl || `${new URL(servingRoot(baseUrl)).origin}/oidc/v1/token`,
          clientId,
          clientSecret,
          scope: 'all-apis',
        },
  forward: { proxy: 'any', responses: true },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true }),
  },
  anyModel: true,
  models: [
    'databricks-claude-sonnet-4',
    'databricks-gpt-oss-120b',
    'databricks-gte-large-en',
    'databricks-llama-4-maverick',
    'databricks-meta-llama-3-3-70b-instruct',
  ],
  notes: 'The model is the name of the serving endpoint.',
})

/** Takes the workspace, or whichever URL of its serving endpoints was at hand. */
function servingRoot(baseUrl: string): string {
  const root = apiRoot(baseUrl, '').replace(/\/(?:chat\/completions|embeddings|models)$/, '')
  return root.endsWith('/serving-endpoints') ? root : `${root}/serving-endpoints`
}
