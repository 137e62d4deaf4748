import type { Lifetime } from './lifetime.ts'
import { answerAsAnthropic, anthropicKey } from './mock-anthropic.ts'
import { answerAsGoogle, type Problem } from './mock-gemini.ts'
import {
  answerAsOpenAi,
  json,
  type MockAnswer,
  type MockOpenAi,
  type MockRequest,
  requestOf,
  startMockOpenAi,
} from './mock-openai.ts'

export interface VertexOptions {
  readonly project: string
  readonly region: string
  /** The `authorization` that is good at the moment. */
  readonly authorization: (token: string) => boolean
}

/**
 * Vertex AI on loopback: one project in one location, models of several publishers each in its makers' format, for whoever
 * has a token. It refuses what Google would refuse.
 */
export const startMockVertex = (t: Lifetime, options: VertexOptions): Promise<MockOpenAi> =>
  startMockOpenAi(t, answerAsVertex(options))

function answerAsVertex({ project, region, authorization }: VertexOptions): MockAnswer {
  const root = `/v1/projects/${project}/locations/${region}`
  const refusal = ({ headers }: MockRequest): Problem | null => {
    const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
    if (headers['x-goog-api-key'] !== undefined) return { code: 400, message: 'two ways', status: 'INVALID_ARGUMENT' }
    return authorization(token)
      ? null
      : { code: 401, message: 'Request had invalid authentication credentials.', status: 'UNAUTHENTICATED' }
  }
  return (request, response) => {
    const { path } = request
    const fail = (problem: Problem): void => json(response, problem.code, JSON.stringify({ error: problem }))
    if (path.startsWith(`${root}/publishers/google/`)) {
      const models = `${root}/publishers/google/models/`
      return answerAsGoogle(request, response, { models, hasCallIds: false, refusal })
    }
    const refused = refusal(request)
    if (refused !== null) return fail(refused)
    const asked = requestOf(request)
    const invalid = (message: string): void => fail({ code: 400, message, status: 'INVALID_ARGUMENT' })
    const raw = new RegExp(`^${root}/publishers/(anthropic|mistralai)/models/([^/:?]+):(rawPredict|streamRawPredict)$`)
    const [, publisher, model, method] = raw.exec(path) ?? []
    if (publisher !== undefined && (asked.stream === true) !== (method === 'streamRawPredict'))
      return invalid('stream does not fit the method')
    if (publisher === 'anthropic') {
      const { anthropic_version, ...rest } = asked
      if (anthropic_version !== 'vertex-2023-10-16') return invalid('anthropic_version: Field required')
      if (rest.model !== undefined) return invalid('model: Extra inputs are not permitted')
      if (request.headers['anthropic-version'] !== undefined) return invalid('the version belongs into the body')
      return answerAsAnthropic(asAnthropic(request, { ...rest, model }), response)
    }
    if (publisher === 'mistralai')
      return asked.model === model.replace(/@.*/, '') && asked.stream_options === undefined
        ? answerAsOpenAi(request, response)
        : invalid('Extra inputs are not permitted')
    if (path === `${root}/endpoints/openapi/chat/completions`)
      return /^[\w-]+\/[\w.-]+$/.test(String(asked.model))
        ? answerAsOpenAi(request, response)
        : invalid('malformed model')
    if (new RegExp(`^${root}/endpoints/\\d+/chat/completions$`).test(path)) return answerAsOpenAi(request, response)
    fail({ code: 404, message: 'Not found.', status: 'NOT_FOUND' })
  }
}

const asAnthropic = (request: MockRequest, asked: object): MockRequest => ({
  ...request,
  path: '/v1/messages',
  headers: {
    ...request.headers,
    authorization: undefined,
    'x-api-key': anthropicKey,
    'anthropic-version': '2023-06-01',
  },
  body: Buffer.from(JSON.stringify(asked)),
})
