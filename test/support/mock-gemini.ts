import type { ServerResponse } from 'node:http'
import type { Lifetime } from './lifetime.ts'
import { type MockAnswer, type MockOpenAi, type MockRequest, requestOf, startMockOpenAi } from './mock-openai.ts'

/**
 * An upstream on loopback that speaks Gemini's generateContent, and refuses what Google would refuse. It answers the
 * last user turn: a question about the weather with a call of `get_weather` where that is declared, else with words.
 */
export const startMockGemini = (t: Lifetime, answer: MockAnswer = answerAsGemini): Promise<MockOpenAi> =>
  startMockOpenAi(t, answer)

export const geminiKey = 'AIza-canary-0123456789abcdef'
export const thoughtSignature = 'CikBVKhc7k9u'

type Fields = Readonly<Record<string, unknown>>

/** Where it is asked, and by whom: Google's two addresses differ in that, and little else. */
export interface GoogleAddress {
  /** Path of the models. */
  readonly models: string
  readonly hasCallIds: boolean
  /** null: the request may be made. */
  readonly refusal: (request: MockRequest) => Problem | null
}

export const answerAsGemini: MockAnswer = (request, response) =>
  answerAsGoogle(request, response, { models: '/v1beta/models/', hasCallIds: true, refusal: keyProblem })

export function answerAsGoogle(request: MockRequest, response: ServerResponse, address: GoogleAddress): void {
  const asked = requestOf(request)
  const below = request.path.startsWith(address.models) ? request.path.slice(address.models.length) : ''
  const route = /^([^/:?]+):(\w+(?:\?alt=sse)?)$/.exec(below)
  const method = route?.[2] ?? ''
  const answers = Object.hasOwn(others, method) ? others[method] : null
  const isKnown = answers !== null || method === 'generateContent' || method === 'streamGenerateContent?alt=sse'
  const said: Problem | Fields | null =
    route === null || !isKnown ? notFound : (address.refusal(request) ?? answers?.(asked, route[1]) ?? null)
  const problem =
    route === null || said !== null
      ? said
      : (spokenProblem(asked, route[1]) ?? refusal(request, route[1], asked, address))
  if (problem !== null) {
    const status = isProblem(problem) ? problem.code : 200
    const body = JSON.stringify(isProblem(problem) ? { error: problem } : problem)
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
    return
  }
  const parts = say(asked)
  const usageMetadata = { promptTokenCount: 50, candidatesTokenCount: 8, thoughtsTokenCount: 22, totalTokenCount: 80 }
  const rest = { usageMetadata, modelVersion: route?.[1], responseId: 'r-1' }
  const event = (some: Fields[], finishReason?: string): Fields => ({
    candidates: [{ content: { role: 'model', parts: some }, index: 0, ...(finishReason && { finishReason }) }],
    ...rest,
  })
  if (method === 'generateContent') {
    const body = JSON.stringify(event(parts, 'STOP'))
    response.writeHead(200, {
      'content-type': 'application/json; charset=UTF-8',
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const events = [...parts.map(part => event([part])), event([{ text: '' }], 'STOP')]
  response.end(events.map(each => `data: ${JSON.stringify(each)}\r\n\r\n`).join(''))
}

function say({ contents, tools, toolConfig, generationConfig }: Fields): Fields[] {
  const turns = contents as { parts: Fields[] }[]
  const { parts } = turns[turns.length - 1]
  const answer = parts.find(part => part.functionResponse !== undefined)?.functionResponse as Fields | undefined
  if (answer !== undefined) return [{ text: `The tool says: ${JSON.stringify(answer.response)}` }]
  const { thinkingConfig, responseMimeType } = (generationConfig ?? {}) as Fields
  const thoughts =
    (thinkingConfig as Fields | undefined)?.includeThoughts === true ? [{ text: 'Let me think.', thought: true }] : []
  if (responseMimeType === 'application/json') return [...thoughts, { text: '{"t":4}' }]
  const declared = ((tools ?? []) as Fields[]).flatMap(tool => (tool.functionDeclarations ?? []) as Fields[])
  const mode = ((toolConfig as Fields | undefined)?.functionCallingConfig as Fields | undefined)?.mode
  const asksForWeather = parts.some(({ text }) => /weather/i.test(String(text)))
  if (mode === 'NONE' || !asksForWeather || !declared.some(({ name }) => name === 'get_weather'))
    return [...thoughts, { text: 'Hello ' }, { text: 'there' }]
  return [...thoughts, { functionCall: { name: 'get_weather', args: { city: 'Oslo' } }, thoughtSignature }]
}

export interface Problem {
  readonly code: number
  readonly message: string
  readonly status: string
  readonly details?: Fields[]
}

const notFound: Problem = { code: 404, message: 'Not found.', status: 'NOT_FOUND' }
const invalid = (message: string): Problem => ({ code: 400, message, status: 'INVALID_ARGUMENT' })
const unknownField = (name: string): Problem =>
  invalid(`Invalid JSON payload received. Unknown name "${name}": Cannot find field.`)

const known = new Set([
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'safetySettings',
  'generationConfig',
  'cachedContent',
  'labels',
])
const configurable = new Set([
  'temperature',
  'topP',
  'topK',
  'candidateCount',
  'seed',
  'maxOutputTokens',
  'presencePenalty',
  'frequencyPenalty',
  'stopSequences',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'responseLogprobs',
  'logprobs',
  'thinkingConfig',
  'responseModalities',
  'mediaResolution',
])

function keyProblem({ headers }: MockRequest): Problem | null {
  if (headers['x-goog-api-key'] !== geminiKey) {
    const reason = {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
    }
    return { ...invalid('API key not valid. Please pass a valid API key.'), details: [reason] }
  }
  return headers.authorization === undefined
    ? null
    : { code: 401, message: 'a client’s key got here', status: 'UNAUTHENTICATED' }
}

/** Methods with an answer of one piece. A vector is the length of its text. */
const others: Readonly<Record<string, (asked: Fields, model: string) => Fields | Problem>> = {
  batchEmbedContents({ requests }, model) {
    const all = requests as { model: string; content: { parts: { text: string }[] } }[]
    if (all.length > 100) return invalid('at most 100 requests can be in one batch')
    if (all.some(one => one.model !== `models/${model}`)) return invalid('the models of a batch must be the same')
    return {
      embeddings: all.map(({ content }) => ({ values: [content.parts[0].text.length, 0.5] })),
      usageMetadata: { promptTokenCount: all.length },
    }
  },
  embedContent({ content }) {
    const { text } = (content as { parts: { text: string }[] }).parts[0]
    return { embedding: { values: [text.length, 0.5] }, usageMetadata: { promptTokenCount: 1 } }
  },
  predict({ instances, parameters }, model) {
    const all = instances as { content?: string; prompt?: string }[]
    if (model.startsWith('imagen-')) {
      const { sampleCount } = parameters as { sampleCount: number }
      if (sampleCount > (model.includes('ultra') ? 1 : 4)) return invalid('sampleCount is too large')
      const picture = { mimeType: 'image/png', bytesBase64Encoded: 'iVBORw0KGgo=' }
      return { predictions: Array.from({ length: sampleCount }, () => picture) }
    }
    if (all.length > (model.startsWith('gemini-') ? 1 : 250)) return invalid('too many instances')
    return {
      predictions: all.map(({ content = '' }) => ({
        embeddings: { values: [content.length, 0.5], statistics: { truncated: false, token_count: 1 } },
      })),
    }
  },
}

const isProblem = (said: Problem | Fields): said is Problem => typeof (said as Fields).code === 'number'

/** What comes in place of words: sound or a picture. null: words were asked for. */
function spokenProblem({ generationConfig }: Fields, model: string): Problem | Fields | null {
  const { responseModalities, speechConfig } = (generationConfig ?? {}) as Fields
  const wanted = (responseModalities ?? []) as string[]
  const answer = (mimeType: string, data: string): Fields => ({
    candidates: [{ content: { role: 'model', parts: [{ inlineData: { mimeType, data } }] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 30, totalTokenCount: 33 },
  })
  if (wanted.includes('IMAGE')) return answer('image/png', 'iVBORw0KGgo=')
  if (!wanted.includes('AUDIO')) return null
  if (!/-tts/.test(model)) return invalid('This model does not support the requested response modalities: audio')
  const voices = JSON.stringify(speechConfig)
  return /"voiceName":"Kore"/.test(voices)
    ? answer('audio/L16;codec=pcm;rate=24000', Buffer.from([1, 0, 2, 0]).toString('base64'))
    : invalid('Voice name is not supported.')
}

/** What Google would say to it; null for nothing. */
function refusal({ method }: MockRequest, model: string, asked: Fields, address: GoogleAddress): Problem | null {
  if (method !== 'POST' || model === 'gemini-gone') return notFound
  const stranger = Object.keys(asked).find(field => !known.has(field))
  if (stranger !== undefined) return unknownField(stranger)
  const config = (asked.generationConfig ?? {}) as Fields
  const option = Object.keys(config).find(field => !configurable.has(field))
  if (option !== undefined) return unknownField(option)
  if (config.responseSchema !== undefined && config.responseMimeType !== 'application/json')
    return invalid('responseSchema needs responseMimeType application/json')
  const thinking = (config.thinkingConfig ?? {}) as Fields
  if (thinking.thinkingBudget !== undefined && /gemini-3/.test(model)) return invalid('thinkingBudget is not supported')
  if (thinking.thinkingLevel !== undefined && !/gemini-3/.test(model))
    return invalid('Thinking level is not supported for this model.')
  return (
    schemaProblem(config.responseSchema) ?? toolProblem(asked, config, model) ?? contentProblem(asked, model, address)
  )
}

function toolProblem({ tools, toolConfig }: Fields, config: Fields, model: string): Problem | null {
  if (tools === undefined)
    return toolConfig === undefined ? null : invalid('Function calling config is set without function_declarations.')
  if (config.responseMimeType === 'application/json' && !/gemini-3/.test(model))
    return invalid("Function calling with a response mime type: 'application/json' is unsupported")
  for (const { functionDeclarations } of tools as Fields[])
    for (const declaration of (functionDeclarations ?? []) as Fields[]) {
      const { name, parameters } = declaration
      if (!/^[A-Za-z_][\w.:-]{0,127}$/.test(String(name))) return invalid('Invalid function name.')
      const extra = Object.keys(declaration).find(
        key => !['name', 'description', 'parameters', 'parametersJsonSchema'].includes(key),
      )
      if (extra !== undefined) return unknownField(extra)
      if (parameters !== undefined && Object.keys(((parameters as Fields).properties ?? {}) as Fields).length === 0)
        return invalid('parameters.properties: should be non-empty for OBJECT type')
      const problem = schemaProblem(parameters)
      if (problem !== null) return problem
    }
  return null
}

const schemaFields = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'enum',
  'maxItems',
  'minItems',
  'properties',
  'required',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'anyOf',
  'propertyOrdering',
  'items',
  'minimum',
  'maximum',
])

function schemaProblem(schema: unknown): Problem | null {
  if (schema === undefined) return null
  const fields = schema as Fields
  for (const name of Object.keys(fields)) if (!schemaFields.has(name)) return unknownField(name)
  if (fields.type !== undefined && typeof fields.type !== 'string')
    return invalid('Proto field is not repeating, cannot start list.')
  if (fields.type === 'array' && fields.items === undefined) return invalid('items: missing field.')
  const values = (fields.enum ?? []) as unknown[]
  if (values.some(value => typeof value !== 'string')) return invalid('enum: only strings')
  const inner = [
    ...Object.values((fields.properties ?? {}) as Fields),
    ...((fields.anyOf ?? []) as unknown[]),
    ...(fields.items === undefined ? [] : [fields.items]),
  ]
  for (const one of inner) {
    const problem = schemaProblem(one)
    if (problem !== null) return problem
  }
  return null
}

const partFields = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse']

function contentProblem(
  { contents, systemInstruction }: Fields,
  model: string,
  { hasCallIds }: GoogleAddress,
): Problem | null {
  if (!Array.isArray(contents) || contents.length === 0) return invalid('contents is not specified')
  if (systemInstruction !== undefined && !Array.isArray((systemInstruction as Fields).parts))
    return invalid('systemInstruction.parts')
  let calls = 0
  let role = ''
  for (const turn of contents as { role: string; parts: Fields[] }[]) {
    if (turn.role !== 'user' && turn.role !== 'model') return invalid('Please use a valid role: user, model.')
    if (turn.role === role) return invalid('roles should alternate')
    role = turn.role
    if (!Array.isArray(turn.parts) || turn.parts.length === 0) return invalid('contents.parts must not be empty.')
    for (const part of turn.parts)
      if (partFields.filter(field => part[field] !== undefined).length !== 1)
        return invalid("required oneof field 'data' must have one initialized field")
    const answers = turn.parts.filter(part => part.functionResponse !== undefined)
    if (answers.length !== calls)
      return invalid(
        'the number of function response parts is not equal to the number of function call parts of the function call turn.',
      )
    if (answers.some(part => typeof (part.functionResponse as Fields).response !== 'object'))
      return invalid('function_response.response')
    const called = turn.parts.filter(part => part.functionCall !== undefined)
    const named = [...answers.map(part => part.functionResponse), ...called.map(part => part.functionCall)]
    if (!hasCallIds && named.some(one => (one as Fields).id !== undefined)) return unknownField('id')
    calls = called.length
    if (calls > 0 && /gemini-3/.test(model) && called[0].thoughtSignature === undefined)
      return invalid('Function call is missing a thought_signature in functionCall parts.')
  }
  return null
}
