import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { foundationModels } from './dialects/bedrock/models.ts'
import { bedrock as dialect } from './dialects/bedrock.ts'
import { geoPrefixes } from './dialects/converse/models.ts'
import { converse } from './dialects/converse.ts'

/** https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html */
const vendors = [
  'ai21.',
  'amazon.',
  'anthropic.',
  'cohere.',
  'deepseek.',
  'google.',
  'meta.',
  'minimax.',
  'mistral.',
  'moonshot.',
  'moonshotai.',
  'nvidia.',
  'openai.',
  'qwen.',
  'stability.',
  'twelvelabs.',
  'writer.',
  'zai.',
]

const publicRoot = 'https://bedrock-runtime.{region}.amazonaws.com'
const fallbackRegion = 'us-east-1'

/** Another of Bedrock's services, at its own host unless there is but one of one's own. */
const service =
  (host: string) =>
  ({ baseUrl, region }: Readonly<Record<string, string>>): string =>
    rootIn(baseUrl.replace('https://bedrock-runtime.', `https://${host}.`), region)

export const bedrock = defineProvider({
  id: 'bedrock',
  aliases: ['aws', 'aws-bedrock', 'amazon-bedrock'],
  settings: {
    apiKey: {
      env: 'AWS_BEARER_TOKEN_BEDROCK',
      secret: true,
      required: false,
      help: 'a Bedrock API key; wins over all other credentials',
    },
    region: { env: 'AWS_REGION', aliases: ['AWS_DEFAULT_REGION'], help: 'us-east-1 unless set' },
    accessKeyId: { env: 'AWS_ACCESS_KEY_ID', secret: true, required: false },
    secretAccessKey: { env: 'AWS_SECRET_ACCESS_KEY', secret: true, required: false },
    sessionToken: { env: 'AWS_SESSION_TOKEN', secret: true, required: false, help: 'of temporary credentials' },
    profile: { env: 'AWS_PROFILE', help: 'of the shared config and credentials files' },
    // Not read from AWS_ROLE_ARN: that one is for web identities alone, and the default chain sees to those by itself.
    roleArn: { help: 'a role to assume, with whatever other credentials there are' },
    webIdentityFile: { help: 'file with a token that the role is assumed with; that of EKS is found without it' },
    roleSessionName: {},
    baseUrl: {
      env: 'BEDROCK_BASE_URL',
      aliases: ['AWS_ENDPOINT_URL_BEDROCK_RUNTIME'],
      default: publicRoot,
    },
  },
  needsOneOf: ['apiKey', 'region', 'accessKeyId'],
  origin({ region, apiKey, accessKeyId, secretAccessKey, ...rest }) {
    if (!/^[a-z0-9-]*$/.test(region)) throw new Error('region must be the name of an AWS region, such as us-east-1')
    // One without the other is a slip; another account's credentials are not what was meant.
    if (!apiKey && Boolean(accessKeyId) !== Boolean(secretAccessKey))
      throw new Error('access_key_id and secret_access_key are of use only together')
    return rootIn(rest.baseUrl, region)
  },
  auth({ apiKey, region, accessKeyId, secretAccessKey, sessionToken, ...rest }) {
    if (apiKey) return { scheme: 'bearer', token: apiKey }
    const { profile, roleArn, webIdentityFile, roleSessionName, baseUrl } = rest
    // A test server of one's own wants no signature, and there is nothing to sign with.
    if (!region && !accessKeyId && !profile && !roleArn && baseUrl !== publicRoot) return { scheme: 'none' }
    return {
      scheme: 'sigv4',
      service: 'bedrock',
      region: region || fallbackRegion,
      accessKeyId,
      secretAccessKey,
      sessionToken,
      profile,
      roleArn,
      webIdentityTokenFile: webIdentityFile,
      roleSessionName,
    }
  },
  discovery: foundationModels(service('bedrock')),
  forward: { proxy: 'named' },
  imageFormats: ['b64_json'],
  codecs: {
    chat: converse.chat(),
    embeddings: dialect.embeddings(),
    images: dialect.images(),
    rerank: dialect.rerank(service('bedrock-agent-runtime')),
  },
  modelPrefixes: [...vendors, ...geoPrefixes, 'arn:aws:bedrock:', 'arn:aws-us-gov:bedrock:'],
  notes:
    'Converse, for every chat model. Model ids, inference profiles (`us.…`) and ARNs go out as they came. Needs one of `AWS_BEARER_TOKEN_BEDROCK`, `AWS_REGION` and `AWS_ACCESS_KEY_ID`; without keys of its own it signs with what AWS’s default chain finds. Images and files come as data URLs.',
  models: [
    'anthropic.claude-sonnet-4-5-20250929-v1:0',
    'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    'us.anthropic.claude-opus-4-5-20251101-v1:0',
    'us.anthropic.claude-haiku-4-5-20251001-v1:0',
    'anthropic.claude-3-haiku-20240307-v1:0',
    'amazon.nova-micro-v1:0',
    'amazon.nova-lite-v1:0',
    'amazon.nova-pro-v1:0',
    'us.amazon.nova-premier-v1:0',
    'us.amazon.nova-2-lite-v1:0',
    'us.meta.llama3-3-70b-instruct-v1:0',
    'mistral.mistral-large-2402-v1:0',
    'openai.gpt-oss-120b-1:0',
    'openai.gpt-oss-20b-1:0',
    'us.deepseek.r1-v1:0',
  ],
})

function rootIn(baseUrl: string, region: string): string {
  return apiRoot(baseUrl.replace('{region}', region || fallbackRegion), '')
}
