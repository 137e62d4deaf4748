import type { Auth, Provider, Setting } from '../src/core/provider.ts'
import { defineProvider } from '../src/core/provider.ts'
import { apiRoot, pathSegment, versionOf } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { bearer } from './hosted.ts'
import { openaiModels } from './model-lists.ts'
import { everySurface, type HostSurfaces, surfacesOf } from './openai-surfaces.ts'

/**
 * Hosts of OpenAI's API that differ in little but where they are: data, and one function. A host with a quirk worth
 * code gets a file of its own. Long, because the list is.
 *
 * Addresses, variables and surfaces are those that the vendors and their common clients publish. None was called from
 * here.
 */
export interface HostRow {
  readonly id: string
  /** API root, version segment included; `{name}` is the segment. '': only the operator knows. */
  readonly root: string
  /** Variable of the key. Absent: there is none. */
  readonly key?: string
  readonly isKeyOptional?: true
  /** The variable is set for other purposes too, so that alone it must not bring a provider in: a target has to name it. */
  readonly isKeyShared?: true
  /** The header of the key where it is no bearer token. */
  readonly keyHeader?: string
  /** Default: the id, `_BASE_URL`. */
  readonly baseUrlEnv?: string
  readonly segment?: { readonly name: string; readonly env?: string }
  /** Besides the chat, at OpenAI's paths. */
  readonly surfaces?: HostSurfaces
  /** It has no chat. */
  readonly isChatless?: true
  readonly modelPrefixes?: readonly string[]
  /** It serves OpenAI's Responses API too. */
  readonly hasResponses?: true
  readonly models?: readonly string[]
  readonly notes?: string
}

/** Servers of open models: prompts go in raw, too. */
const served: HostSurfaces = { completions: {}, embeddings: {} }

export const rows: readonly HostRow[] = [
  {
    id: '302ai',
    root: 'https://api.302.ai/v1',
    key: 'AI302_API_KEY',
    baseUrlEnv: 'AI302_BASE_URL',
    surfaces: { embeddings: {}, images: {}, speech: {}, transcriptions: {} },
  },
  { id: 'abacus', root: 'https://routellm.abacus.ai/v1', key: 'ABACUS_API_KEY' },
  { id: 'abliteration', root: 'https://api.abliteration.ai/v1', key: 'ABLITERATION_API_KEY' },
  { id: 'aibadgr', root: 'https://aibadgr.com/api/v1', key: 'AIBADGR_API_KEY' },
  {
    id: 'aihubmix',
    root: 'https://aihubmix.com/v1',
    key: 'AIHUBMIX_API_KEY',
    surfaces: { embeddings: {}, images: {}, rerank: {}, speech: {}, transcriptions: {}, moderations: {} },
  },
  { id: 'aimlapi', root: 'https://api.aimlapi.com/v1', key: 'AIML_API_KEY', surfaces: { embeddings: {}, images: {} } },
  { id: 'amazon-nova', root: 'https://api.nova.amazon.com/v1', key: 'NOVA_API_KEY' },
  { id: 'apertis', root: 'https://api.stima.tech/v1', key: 'STIMA_API_KEY' },
  { id: 'bailing', root: 'https://api.tbox.cn/api/llm/v1', key: 'BAILING_API_TOKEN' },
  {
    id: 'baseten',
    root: 'https://inference.baseten.co/v1',
    key: 'BASETEN_API_KEY',
    notes: 'Dedicated models: `https://model-ID.api.baseten.co/environments/production/sync/v1`.',
  },
  {
    id: 'bedrock-mantle',
    hasResponses: true,
    root: 'https://bedrock-mantle.{region}.api.aws/v1',
    key: 'BEDROCK_MANTLE_API_KEY',
    segment: { name: 'region', env: 'AWS_REGION' },
  },
  {
    id: 'berget',
    root: 'https://api.berget.ai/v1',
    key: 'BERGET_API_KEY',
    surfaces: { embeddings: {}, rerank: {}, transcriptions: {} },
  },
  {
    id: 'byteplus',
    root: 'https://ark.ap-southeast.bytepluses.com/api/v3',
    key: 'ARK_API_KEY',
    isKeyShared: true,
    surfaces: { embeddings: {}, images: {} },
  },
  {
    id: 'charity-engine',
    root: 'https://api.charityengine.services/remotejobs/v2/inference',
    key: 'CHARITY_ENGINE_API_KEY',
  },
  { id: 'chutes', root: 'https://llm.chutes.ai/v1', key: 'CHUTES_API_KEY' },
  {
    id: 'clarifai',
    root: 'https://api.clarifai.com/v2/ext/openai/v1',
    key: 'CLARIFAI_PAT',
    notes: 'A model may be a full URL.',
  },
  { id: 'codestral', root: 'https://codestral.mistral.ai/v1', key: 'CODESTRAL_API_KEY', modelPrefixes: ['codestral-'] },
  {
    id: 'cometapi',
    root: 'https://api.cometapi.com/v1',
    key: 'COMETAPI_KEY',
    surfaces: { embeddings: {}, images: {}, speech: {}, transcriptions: {} },
  },
  { id: 'compactifai', root: 'https://api.compactif.ai/v1', key: 'COMPACTIFAI_API_KEY' },
  { id: 'cortecs', root: 'https://api.cortecs.ai/v1', key: 'CORTECS_API_KEY' },
  { id: 'crusoe', root: 'https://api.inference.crusoecloud.com/v1', key: 'CRUSOE_API_KEY' },
  { id: 'deepbricks', root: 'https://api.deepbricks.ai/v1', key: 'DEEPBRICKS_API_KEY', surfaces: { images: {} } },
  {
    id: 'digitalocean',
    root: 'https://inference.do-ai.run/v1',
    key: 'DIGITALOCEAN_ACCESS_TOKEN',
    isKeyShared: true,
    surfaces: { images: {} },
  },
  { id: 'dinference', root: 'https://api.dinference.com/v1', key: 'DINFERENCE_API_KEY' },
  { id: 'empower', root: 'https://app.empower.dev/api/v1', key: 'EMPOWER_API_KEY' },
  { id: 'evroc', root: 'https://models.think.evroc.com/v1', key: 'EVROC_API_KEY' },
  { id: 'fastrouter', root: 'https://go.fastrouter.ai/api/v1', key: 'FASTROUTER_API_KEY' },
  { id: 'featherless', root: 'https://api.featherless.ai/v1', key: 'FEATHERLESS_AI_API_KEY' },
  {
    id: 'friendli',
    root: 'https://api.friendli.ai/serverless/v1',
    key: 'FRIENDLI_TOKEN',
    notes: 'Dedicated models: `https://api.friendli.ai/dedicated/v1`.',
  },
  { id: 'galadriel', root: 'https://api.galadriel.com/v1', key: 'GALADRIEL_API_KEY' },
  {
    id: 'gemini-openai',
    root: 'https://generativelanguage.googleapis.com/v1beta/openai',
    key: 'GEMINI_API_KEY',
    isKeyShared: true,
    surfaces: { embeddings: {}, images: { only: () => 'b64_json', streams: false } },
    notes: 'Google’s own shim.',
  },
  {
    id: 'github-models',
    root: 'https://models.github.ai/inference',
    key: 'GITHUB_TOKEN',
    isKeyShared: true,
    surfaces: { embeddings: {} },
  },
  { id: 'gmi', root: 'https://api.gmi-serving.com/v1', key: 'GMI_API_KEY' },
  { id: 'helicone', root: 'https://ai-gateway.helicone.ai/v1', key: 'HELICONE_API_KEY' },
  {
    id: 'heroku',
    root: 'https://us.inference.heroku.com/v1',
    key: 'HEROKU_INFERENCE_KEY',
    surfaces: { embeddings: {}, images: {} },
    notes: 'In Europe: `https://eu.inference.heroku.com/v1`.',
  },
  {
    id: 'vllm',
    hasResponses: true,
    root: '',
    key: 'HOSTED_VLLM_API_KEY',
    baseUrlEnv: 'HOSTED_VLLM_API_BASE',
    isKeyOptional: true,
    surfaces: { ...served, rerank: {}, transcriptions: {}, translations: {} },
  },
  { id: 'hyperbolic', root: 'https://api.hyperbolic.xyz/v1', key: 'HYPERBOLIC_API_KEY' },
  { id: 'iflow', root: 'https://apis.iflow.cn/v1', key: 'IFLOW_API_KEY' },
  { id: 'inception', root: 'https://api.inceptionlabs.ai/v1', key: 'INCEPTION_API_KEY' },
  { id: 'inference-net', root: 'https://api.inference.net/v1', key: 'INFERENCE_API_KEY' },
  {
    id: 'infinity',
    root: 'http://localhost:7997',
    key: 'INFINITY_API_KEY',
    isKeyOptional: true,
    surfaces: { embeddings: {}, rerank: {} },
    isChatless: true,
  },
  { id: 'io-intelligence', root: 'https://api.intelligence.io.solutions/api/v1', key: 'IOINTELLIGENCE_API_KEY' },
  { id: 'jiekou', root: 'https://api.jiekou.ai/openai', key: 'JIEKOU_API_KEY' },
  {
    id: 'jina',
    root: 'https://api.jina.ai/v1',
    key: 'JINA_API_KEY',
    surfaces: { embeddings: { floatsOnly: true, unsupported: ['user'] }, rerank: {} },
    isChatless: true,
    modelPrefixes: ['jina-'],
    models: ['jina-embeddings-v4', 'jina-embeddings-v3', 'jina-reranker-v3', 'jina-reranker-v2-base-multilingual'],
  },
  { id: 'kluster-ai', root: 'https://api.kluster.ai/v1', key: 'KLUSTER_API_KEY' },
  { id: 'krutrim', root: 'https://cloud.olakrutrim.com/v1', key: 'KRUTRIM_API_KEY' },
  { id: 'kuae', root: 'https://coding-plan-endpoint.kuaecloud.net/v1', key: 'KUAE_API_KEY' },
  { id: 'lambda', root: 'https://api.lambda.ai/v1', key: 'LAMBDA_API_KEY' },
  {
    id: 'lemonade',
    root: 'http://localhost:8000/api/v1',
    surfaces: { ...served, rerank: { path: '/reranking' }, images: {}, speech: {}, transcriptions: {} },
  },
  {
    id: 'lemonfox',
    root: 'https://api.lemonfox.ai/v1',
    key: 'LEMONFOX_API_KEY',
    surfaces: { images: {}, speech: {}, transcriptions: {} },
  },
  { id: 'lepton', root: 'https://api.lepton.ai/api/v1', key: 'LEPTON_API_KEY' },
  { id: 'lingyi', root: 'https://api.lingyiwanwu.com/v1', key: 'LINGYI_API_KEY' },
  {
    id: 'litellm-proxy',
    hasResponses: true,
    root: '',
    key: 'LITELLM_PROXY_API_KEY',
    baseUrlEnv: 'LITELLM_PROXY_API_BASE',
    isKeyOptional: true,
    surfaces: everySurface,
  },
  {
    id: 'llama-cpp',
    root: 'http://localhost:8080/v1',
    key: 'LLAMA_CPP_API_KEY',
    isKeyOptional: true,
    surfaces: { ...served, rerank: {} },
  },
  {
    id: 'llamafile',
    root: 'http://localhost:8080/v1',
    key: 'LLAMAFILE_API_KEY',
    isKeyOptional: true,
    surfaces: served,
  },
  { id: 'llamagate', root: 'https://api.llamagate.dev/v1', key: 'LLAMAGATE_API_KEY' },
  {
    id: 'lm-studio',
    hasResponses: true,
    root: 'http://localhost:1234/v1',
    key: 'LMSTUDIO_API_KEY',
    baseUrlEnv: 'LM_STUDIO_API_BASE',
    isKeyOptional: true,
    surfaces: served,
  },
  { id: 'matterai', root: 'https://api.matterai.so/v1', key: 'MATTERAI_API_KEY' },
  { id: 'meganova', root: 'https://api.meganova.ai/v1', key: 'MEGANOVA_API_KEY' },
  { id: 'meta-llama', root: 'https://api.llama.com/compat/v1', key: 'LLAMA_API_KEY' },
  {
    id: 'minimax',
    root: 'https://api.minimax.io/v1',
    key: 'MINIMAX_API_KEY',
    notes: 'In China: `https://api.minimaxi.com/v1`.',
  },
  {
    id: 'mixedbread',
    root: 'https://api.mixedbread.com/v1',
    key: 'MIXEDBREAD_API_KEY',
    surfaces: {
      embeddings: { floatsOnly: true, unsupported: ['user'] },
      rerank: { path: '/reranking', ceiling: 'top_k', rename: { documents: 'input' } },
    },
    isChatless: true,
    modelPrefixes: ['mixedbread-ai/', 'mxbai-'],
    models: ['mixedbread-ai/mxbai-embed-large-v1', 'mixedbread-ai/mxbai-rerank-large-v2'],
  },
  {
    id: 'moark',
    root: 'https://moark.com/v1',
    key: 'MOARK_API_KEY',
    surfaces: { embeddings: {}, images: {}, rerank: {} },
  },
  { id: 'modal', root: '', key: 'MODAL_API_KEY', isKeyOptional: true, surfaces: served },
  { id: 'modelscope', root: 'https://api-inference.modelscope.cn/v1', key: 'MODELSCOPE_API_KEY' },
  { id: 'monsterapi', root: 'https://llm.monsterapi.ai/v1', key: 'MONSTER_API_KEY' },
  { id: 'morph', root: 'https://api.morphllm.com/v1', key: 'MORPH_API_KEY', surfaces: { embeddings: {}, rerank: {} } },
  {
    id: 'nano-gpt',
    root: 'https://nano-gpt.com/api/v1',
    key: 'NANOGPT_API_KEY',
    surfaces: { embeddings: {}, images: {} },
  },
  { id: 'ncompass', root: 'https://api.ncompass.tech/v1', key: 'NCOMPASS_API_KEY' },
  { id: 'near-ai', root: 'https://cloud-api.near.ai/v1', key: 'NEARAI_API_KEY' },
  {
    id: 'nebius',
    root: 'https://api.tokenfactory.nebius.com/v1',
    key: 'NEBIUS_API_KEY',
    surfaces: { embeddings: {}, images: {} },
  },
  { id: 'nextbit', root: 'https://api.nextbit256.com/v1', key: 'NEXTBIT_API_KEY' },
  {
    id: 'nscale',
    root: 'https://inference.api.nscale.com/v1',
    key: 'NSCALE_API_KEY',
    surfaces: { embeddings: {}, images: {} },
  },
  { id: 'opencode-zen', root: 'https://opencode.ai/zen/v1', key: 'OPENCODE_API_KEY' },
  {
    id: 'ovhcloud',
    root: 'https://oai.endpoints.kepler.ai.cloud.ovh.net/v1',
    key: 'OVHCLOUD_API_KEY',
    surfaces: { embeddings: {}, transcriptions: {} },
  },
  { id: 'parasail', root: 'https://api.parasail.io/v1', key: 'PARASAIL_API_KEY', surfaces: { embeddings: {} } },
  { id: 'poe', root: 'https://api.poe.com/v1', key: 'POE_API_KEY' },
  {
    id: 'privatemode',
    root: 'http://localhost:8080/v1',
    key: 'PRIVATEMODE_API_KEY',
    surfaces: { embeddings: {}, transcriptions: {} },
  },
  { id: 'publicai', root: 'https://api.publicai.co/v1', key: 'PUBLICAI_API_KEY' },
  {
    id: 'recraft',
    root: 'https://external.api.recraft.ai/v1',
    key: 'RECRAFT_API_KEY',
    surfaces: { images: { unsupported: ['quality', 'user'], streams: false } },
    isChatless: true,
    modelPrefixes: ['recraft'],
    models: ['recraftv3'],
  },
  { id: 'requesty', root: 'https://router.requesty.ai/v1', key: 'REQUESTY_API_KEY', surfaces: { embeddings: {} } },
  {
    id: 'runpod',
    root: 'https://api.runpod.ai/v2/{endpoint}/openai/v1',
    key: 'RUNPOD_API_KEY',
    segment: { name: 'endpoint' },
    surfaces: served,
  },
  { id: 'salad-cloud', root: 'https://ai.salad.cloud/v1', key: 'SALAD_CLOUD_API_KEY' },
  { id: 'sarvam', root: 'https://api.sarvam.ai/v1', key: 'SARVAM_API_KEY', keyHeader: 'api-subscription-key' },
  {
    id: 'scaleway',
    root: 'https://api.scaleway.ai/v1',
    key: 'SCW_SECRET_KEY',
    isKeyShared: true,
    surfaces: { embeddings: {}, transcriptions: {} },
  },
  {
    id: 'sgl',
    hasResponses: true,
    root: '',
    key: 'SGL_API_KEY',
    isKeyOptional: true,
    surfaces: { ...served, rerank: {} },
  },
  {
    id: 'siliconflow',
    root: 'https://api.siliconflow.com/v1',
    key: 'SILICONFLOW_API_KEY',
    surfaces: {
      embeddings: {},
      images: { rename: { size: 'image_size', n: 'batch_size' }, only: () => 'url', streams: false },
      rerank: {},
      speech: {},
      transcriptions: { formats: ['json'] },
    },
    notes: 'In China: `https://api.siliconflow.cn/v1`.',
  },
  {
    id: 'stackit',
    root: 'https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1',
    key: 'STACKIT_API_KEY',
    surfaces: { embeddings: {} },
  },
  {
    id: 'stepfun',
    root: 'https://api.stepfun.com/v1',
    key: 'STEPFUN_API_KEY',
    surfaces: { images: {}, speech: {}, transcriptions: {} },
  },
  { id: 'submodel', root: 'https://llm.submodel.ai/v1', key: 'SUBMODEL_INSTAGEN_ACCESS_KEY' },
  {
    id: 'synthetic',
    root: 'https://api.synthetic.new/openai/v1',
    key: 'SYNTHETIC_API_KEY',
    surfaces: { embeddings: {} },
  },
  {
    id: 'tinfoil',
    root: 'https://inference.tinfoil.sh/v1',
    key: 'TINFOIL_API_KEY',
    surfaces: { embeddings: {}, transcriptions: {} },
  },
  { id: 'upstage', root: 'https://api.upstage.ai/v1/solar', key: 'UPSTAGE_API_KEY', surfaces: { embeddings: {} } },
  { id: 'v0', root: 'https://api.v0.dev/v1', key: 'V0_API_KEY' },
  {
    id: 'venice',
    root: 'https://api.venice.ai/api/v1',
    key: 'VENICE_API_KEY',
    surfaces: { embeddings: {}, images: {}, speech: {}, transcriptions: {} },
  },
  {
    id: 'vercel-ai-gateway',
    hasResponses: true,
    root: 'https://ai-gateway.vercel.sh/v1',
    key: 'AI_GATEWAY_API_KEY',
    surfaces: { embeddings: {} },
  },
  {
    id: 'volcengine',
    hasResponses: true,
    root: 'https://ark.cn-beijing.volces.com/api/v3',
    key: 'VOLCENGINE_API_KEY',
    surfaces: { embeddings: {}, images: {} },
  },
  {
    id: 'voyage',
    root: 'https://api.voyageai.com/v1',
    key: 'VOYAGE_API_KEY',
    surfaces: {
      // `float` is a value that its `encoding_format` does not have.
      embeddings: { floatsOnly: true, rename: { dimensions: 'output_dimension' }, unsupported: ['user'] },
      rerank: { ceiling: 'top_k' },
    },
    isChatless: true,
    modelPrefixes: ['voyage-', 'rerank-2', 'rerank-lite-'],
    models: ['voyage-3.5', 'voyage-3.5-lite', 'voyage-3-large', 'voyage-code-3', 'rerank-2.5', 'rerank-2.5-lite'],
  },
  { id: 'vultr', root: 'https://api.vultrinference.com/v1', key: 'VULTR_API_KEY' },
  { id: 'wandb', root: 'https://api.inference.wandb.ai/v1', key: 'WANDB_API_KEY', isKeyShared: true },
  { id: 'xiaomi-mimo', root: 'https://api.xiaomimimo.com/v1', key: 'XIAOMI_MIMO_API_KEY' },
  {
    id: 'xinference',
    root: 'http://127.0.0.1:9997/v1',
    key: 'XINFERENCE_API_KEY',
    isKeyOptional: true,
    surfaces: {
      ...served,
      images: {},
      imageEdits: {},
      imageVariations: {},
      rerank: {},
      speech: {},
      transcriptions: {},
      translations: {},
    },
  },
  {
    id: 'z-ai',
    root: 'https://api.z.ai/api/paas/v4',
    key: 'ZAI_API_KEY',
    surfaces: { images: { only: () => 'url', streams: false } },
    notes: 'Coding plan: `https://api.z.ai/api/coding/paas/v4`.',
  },
  { id: 'zenmux', root: 'https://zenmux.ai/api/v1', key: 'ZENMUX_API_KEY' },
  {
    id: 'zhipu',
    root: 'https://open.bigmodel.cn/api/paas/v4',
    key: 'ZHIPU_API_KEY',
    surfaces: {
      embeddings: { floatsOnly: true },
      images: { only: () => 'url', streams: false },
      rerank: {},
      speech: {},
    },
  },
]

export const tableProviders: readonly Provider[] = rows.map(fromRow)

function fromRow(row: HostRow): Provider {
  const { id, root, segment, surfaces = {}, isChatless, modelPrefixes, models, notes } = row
  const settings: Record<string, Setting> = {}
  if (row.key !== undefined) settings.apiKey = keyOf(row, row.key)
  settings.baseUrl = baseUrlOf(row)
  if (segment !== undefined) settings[segment.name] = { env: segment.env, required: true }
  return defineProvider({
    id,
    settings,
    origin(values) {
      const written =
        segment === undefined
          ? values.baseUrl
          : values.baseUrl.replace(`{${segment.name}}`, pathSegment(segment.name, values[segment.name]))
      return apiRoot(written, root === '' ? '/v1' : versionOf(root))
    },
    auth: ({ apiKey = '' }): Auth =>
      row.keyHeader === undefined ? bearer(apiKey) : { scheme: 'header', name: row.keyHeader, value: apiKey },
    discovery: openaiModels,
    codecs: {
      ...(isChatless !== true && {
        chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
      }),
      ...surfacesOf(surfaces),
    },
    forward: { proxy: 'any', responses: row.hasResponses === true },
    ...(modelPrefixes === undefined ? { anyModel: true } : { modelPrefixes }),
    models,
    notes,
  })
}

function baseUrlOf({ id, root, baseUrlEnv }: HostRow): Setting {
  const env = baseUrlEnv ?? `${id.toUpperCase().replaceAll('-', '_')}_BASE_URL`
  return root === ''
    ? { env, required: true, help: 'with its version segment; a bare origin gets /v1' }
    : { env, default: root }
}

function keyOf({ isKeyOptional, isKeyShared }: HostRow, env: string): Setting {
  if (isKeyShared) return { secret: true, help: `such as \${${env}}; that variable alone does not add the provider` }
  return isKeyOptional ? { env, secret: true, required: false } : { env, secret: true }
}
