import { eventFrame } from './event-stream.ts'
import type { Lifetime } from './lifetime.ts'
import { json, type MockAnswer, type MockOpenAi, type MockRequest, requestOf, startMockOpenAi } from './mock-openai.ts'
import { verifySigV4 } from './verify-sigv4.ts'

/**
 * An upstream on loopback that speaks Bedrock's Converse, in frames of its own, and refuses what Bedrock would refuse. It
 * answers the last user turn: a question about the weather with a call of `get_weather` where that is declared, else
 * with words.
 */
export const startMockBedrock = (t: Lifetime, answer: MockAnswer = answerAsBedrock): Promise<MockOpenAi> =>
  startMockOpenAi(t, answer)

export const bedrockKey = 'bedrock-api-key-canary-0123456789abcdef'
/** As in AWS's own examples. */
export const bedrockKeys = {
  access_key_id: 'AKIDEXAMPLE',
  secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  session_token: 'FwoGZXIvYXdzEXAMPLETOKEN/+==',
  region: 'eu-west-3',
}
export const signature = 'EqQBCkgIARABGAIiQL'

type Fields = Readonly<Record<string, unknown>>

const known = new Set([
  'additionalModelRequestFields',
  'additionalModelResponseFieldPaths',
  'guardrailConfig',
  'inferenceConfig',
  'messages',
  'outputConfig',
  'performanceConfig',
  'promptVariables',
  'requestMetadata',
  'serviceTier',
  'system',
  'toolConfig',
])

export const answerAsBedrock: MockAnswer = (request, response) => {
  const asked = requestOf(request)
  const [, model, operation] = /^\/model\/([^/]+)\/(converse|converse-stream)$/.exec(request.path) ?? ['', '', '']
  const problem = operation === '' ? unknown : refusal(request, decodeURIComponent(model), asked)
  if (problem !== null) {
    const [status, type, message] = problem
    json(response, status, JSON.stringify({ message }), { 'x-amzn-errortype': `${type}:http://internal.amazon.com/` })
    return
  }
  const content = say(asked)
  const stopReason = content.some(({ toolUse }) => toolUse !== undefined) ? 'tool_use' : 'end_turn'
  const usage = {
    inputTokens: 40,
    outputTokens: 30,
    totalTokens: 170,
    cacheReadInputTokens: 100,
    cacheWriteInputTokens: 0,
  }
  if (operation === 'converse') {
    const output = { message: { role: 'assistant', content } }
    json(response, 200, JSON.stringify({ output, stopReason, usage, metrics: { latencyMs: 5 } }))
    return
  }
  beginEventStream(response)
  const frames = [eventFrame('messageStart', { role: 'assistant', p: 'abcdef' })]
  content.forEach((block, contentBlockIndex) => {
    if (block.toolUse !== undefined) {
      const { toolUseId, name } = block.toolUse as Fields
      frames.push(
        eventFrame('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId, name } }, p: 'a' }),
      )
    }
    for (const delta of deltas(block))
      frames.push(eventFrame('contentBlockDelta', { contentBlockIndex, delta, p: 'ab' }))
    frames.push(eventFrame('contentBlockStop', { contentBlockIndex, p: 'abc' }))
  })
  frames.push(eventFrame('messageStop', { stopReason, p: 'abcd' }))
  frames.push(eventFrame('metadata', { usage, metrics: { latencyMs: 5 }, p: 'abcde' }))
  const bytes = Buffer.concat(frames)
  // Frames straddle reads.
  response.write(bytes.subarray(0, 50))
  response.end(bytes.subarray(50))
}

export const beginEventStream = (response: Parameters<MockAnswer>[1]): void => {
  response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
}

function say(asked: Fields): Fields[] {
  const messages = asked.messages as Fields[]
  const blocks = messages[messages.length - 1].content as Fields[]
  const { thinking, reasoningConfig } = (asked.additionalModelRequestFields ?? {}) as Fields
  const thinks = thinking !== undefined || reasoningConfig !== undefined
  const thoughts = thinks ? [{ reasoningContent: { reasoningText: { text: 'Let me think.', signature } } }] : []
  const result = blocks.find(({ toolResult }) => toolResult !== undefined)?.toolResult as Fields | undefined
  if (result !== undefined)
    return [...thoughts, { text: `The tool says: ${(result.content as Fields[]).map(({ text }) => text).join(' ')}` }]
  const config = (asked.toolConfig ?? {}) as { tools?: { toolSpec?: Fields }[]; toolChoice?: { tool?: Fields } }
  const forced = config.toolChoice?.tool?.name
  const name = forced ?? 'get_weather'
  const isDeclared = (config.tools ?? []).some(({ toolSpec }) => toolSpec?.name === name)
  const isCalled = isDeclared && (forced !== undefined || blocks.some(({ text }) => /weather/i.test(String(text))))
  const isJson = asked.outputConfig !== undefined || /JSON/.test(JSON.stringify(asked.system ?? ''))
  if (!isCalled) return [...thoughts, { text: isJson ? '{"t":4}' : 'Hello there' }]
  const call = { toolUse: { toolUseId: 'tooluse_01', name, input: { city: 'Oslo' } } }
  return forced === undefined ? [...thoughts, { text: 'Checking.' }, call] : [call]
}

function deltas(block: Fields): Fields[] {
  if (typeof block.text === 'string') return halves(block.text).map(text => ({ text }))
  if (block.toolUse !== undefined)
    return ['', ...halves(JSON.stringify((block.toolUse as Fields).input))].map(input => ({ toolUse: { input } }))
  const { reasoningText } = block.reasoningContent as { reasoningText: Fields }
  return [
    ...halves(String(reasoningText.text)).map(text => ({ reasoningContent: { text } })),
    { reasoningContent: { signature: reasoningText.signature } },
  ]
}

const halves = (text: string): string[] => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)]

type Problem = readonly [status: number, type: string, message: string]

const invalid = (message: string): Problem => [400, 'ValidationException', message]
const unknown: Problem = [404, 'UnknownOperationException', 'unknown operation']

/** What Bedrock would say to it; null for nothing. */
function refusal(request: MockRequest, model: string, asked: Fields): Problem | null {
  if (request.method !== 'POST') return unknown
  const header = headerProblem(request)
  if (header !== null) return header
  if (/gone/.test(model)) return invalid('The provided model identifier is invalid.')
  for (const field of Object.keys(asked)) if (!known.has(field)) return invalid(`Unexpected field ${field}`)
  return inferenceProblem(asked, model) ?? toolProblem(asked, model) ?? messageProblem(asked, model)
}

/** A key, or a signature over just what came. */
function headerProblem({ method, path, headers, body }: MockRequest): Problem | null {
  if (headers.authorization?.startsWith('AWS4')) {
    const { secret_access_key, session_token, region } = bedrockKeys
    if (headers['x-amz-security-token'] !== session_token)
      return [403, 'UnrecognizedClientException', 'The security token included in the request is invalid.']
    const signed = { method, url: path, headers, body, secretAccessKey: secret_access_key, region, service: 'bedrock' }
    const problem = verifySigV4({ ...signed, nowMs: Date.now() })
    if (problem !== null) return [403, 'InvalidSignatureException', problem]
  } else if (headers.authorization !== `Bearer ${bedrockKey}`)
    return [403, 'AccessDeniedException', 'Authentication failed: Please make sure your API Key is valid.']
  return headers['content-type'] === 'application/json' ? null : invalid('Content-Type must be application/json')
}

const isClaude = (model: string): boolean => model.includes('anthropic.claude')

function inferenceProblem(
  { inferenceConfig = {}, additionalModelRequestFields = {}, outputConfig }: Fields,
  model: string,
): Problem | null {
  const { maxTokens, temperature, topP, stopSequences, ...others } = inferenceConfig as Fields
  if (Object.keys(others).length > 0) return invalid(`Unexpected field ${Object.keys(others)[0]}`)
  if (maxTokens !== undefined && !(Number(maxTokens) >= 1)) return invalid('maxTokens must be at least 1')
  for (const value of [temperature, topP])
    if (value !== undefined && !(Number(value) >= 0 && Number(value) <= 1)) return invalid('must be between 0 and 1')
  if (model.includes('gpt-oss') && stopSequences !== undefined)
    return invalid("This model doesn't support the stopSequences field. Remove stopSequences and try again.")
  const { thinking, reasoningConfig, top_k } = additionalModelRequestFields as Record<string, Fields | undefined>
  for (const field of Object.keys(additionalModelRequestFields as Fields))
    if (!isClaude(model) && ['thinking', 'output_config', 'tool_choice', 'anthropic_beta'].includes(field))
      return invalid(`extraneous key [${field}] is not permitted`)
  if (reasoningConfig !== undefined && !model.includes('nova-2')) return invalid('extraneous key [reasoningConfig]')
  if (thinking !== undefined) {
    if (temperature !== undefined || top_k !== undefined)
      return invalid('`temperature` may only be set to 1 when thinking is enabled.')
    if (thinking.type === 'enabled' && maxTokens !== undefined && !(Number(thinking.budget_tokens) < Number(maxTokens)))
      return invalid('`max_tokens` must be greater than `thinking.budget_tokens`.')
  }
  if (outputConfig === undefined) return null
  if (!/claude-(sonnet|opus|haiku)-4-[5-9]|gpt-oss/.test(model))
    return invalid("This model doesn't support the outputConfig.textFormat field.")
  const { textFormat } = outputConfig as { textFormat: { structure: { jsonSchema: { schema: unknown } } } }
  const { schema } = textFormat.structure.jsonSchema
  if (typeof schema !== 'string') return invalid('schema must be a string')
  return JSON.parse(schema).additionalProperties === false
    ? null
    : invalid("For 'object' type, 'additionalProperties' must be explicitly set to false")
}

function toolProblem({ toolConfig, additionalModelRequestFields = {} }: Fields, model: string): Problem | null {
  if (toolConfig === undefined) return null
  const { tools, toolChoice } = toolConfig as { tools: Fields[]; toolChoice?: Fields }
  if (!Array.isArray(tools) || tools.length === 0) return invalid('toolConfig.tools must not be empty')
  for (const { toolSpec } of tools as { toolSpec?: Fields }[]) {
    if (toolSpec === undefined) continue
    if (!/^[\w-]{1,64}$/.test(String(toolSpec.name))) return invalid('toolSpec.name must satisfy the pattern')
    if (toolSpec.description === '') return invalid('toolSpec.description must not be empty')
    const schema = (toolSpec.inputSchema as { json?: Fields } | undefined)?.json
    if (schema?.type !== 'object') return invalid('inputSchema.json.type must be object')
    if (model.includes('nova') && (schema.$schema !== undefined || schema.additionalProperties !== undefined))
      return invalid('extraneous key in inputSchema.json')
  }
  if (toolChoice === undefined) return null
  const [kind] = Object.keys(toolChoice)
  if (!['auto', 'any', 'tool'].includes(kind)) return invalid(`Unknown parameter in toolConfig.toolChoice: ${kind}`)
  if (!isClaude(model) && !model.includes('nova') && kind !== 'auto')
    return invalid(`This model doesn't support the toolConfig.toolChoice.${kind} field.`)
  return (additionalModelRequestFields as Fields).thinking !== undefined && kind !== 'auto'
    ? invalid('Thinking may not be enabled when tool_choice forces tool use.')
    : null
}

const blockKinds: Readonly<Record<string, readonly string[]>> = {
  user: ['text', 'image', 'document', 'video', 'audio', 'toolResult', 'cachePoint'],
  assistant: ['text', 'toolUse', 'reasoningContent', 'cachePoint'],
}

function messageProblem(
  { messages, system, toolConfig, additionalModelRequestFields = {} }: Fields,
  model: string,
): Problem | null {
  if (!Array.isArray(messages) || messages.length === 0) return invalid('messages must not be empty')
  if (system !== undefined && (system as Fields[]).some(({ text }) => text !== undefined && String(text).trim() === ''))
    return invalid('The text field in the SystemContentBlock object is blank.')
  const ids = new Set<unknown>()
  let before: Fields[] = []
  let role = 'assistant'
  for (const [i, message] of (messages as Fields[]).entries()) {
    if (message.role !== 'user' && message.role !== 'assistant')
      return invalid(`messages.${i}.role must be user or assistant`)
    if (message.role === role)
      return invalid(
        i === 0
          ? 'A conversation must start with a user message. Try again with a conversation that starts with a user message.'
          : 'A conversation must alternate between user and assistant roles.',
      )
    role = message.role
    const content = message.content as Fields[]
    if (!Array.isArray(content) || content.length === 0)
      return invalid(`The content field in the Message object at messages.${i} is empty.`)
    for (const block of content) {
      const kinds = Object.keys(block)
      if (kinds.length !== 1 || !blockKinds[role].includes(kinds[0])) return invalid(`messages.${i}: ${kinds.join()}`)
      const problem = blockProblem(block, model, `messages.${i}`)
      if (problem !== null) return problem
    }
    const calls = content.flatMap(({ toolUse }) => (toolUse === undefined ? [] : [(toolUse as Fields).toolUseId]))
    for (const id of calls) {
      if (ids.has(id)) return invalid(`The toolUse blocks at messages.${i}.content contain duplicate Ids: ${id}`)
      ids.add(id)
    }
    const results = content.flatMap(({ toolResult }) =>
      toolResult === undefined ? [] : [(toolResult as Fields).toolUseId],
    )
    if (new Set(results).size < results.length)
      return invalid(`The toolResult blocks at messages.${i}.content contain duplicate Ids`)
    const open = before.flatMap(({ toolUse }) => (toolUse === undefined ? [] : [(toolUse as Fields).toolUseId]))
    if (open.some(id => !results.includes(id))) return invalid(`Expected toolResult blocks at messages.${i}.content`)
    if (results.some(id => !open.includes(id)))
      return invalid(`The number of toolResult blocks at messages.${i}.content exceeds the number of toolUse blocks`)
    if ((calls.length > 0 || results.length > 0) && toolConfig === undefined)
      return invalid('The toolConfig field must be defined when using toolUse and toolResult content blocks.')
    before = content
  }
  const { thinking } = additionalModelRequestFields as { thinking?: Fields }
  const [called, answered] = (messages as { content: Fields[] }[]).slice(-2)
  const isResumed = answered?.content.some(({ toolResult }) => toolResult !== undefined)
  return thinking?.type === 'enabled' && isResumed && called.content[0].reasoningContent === undefined
    ? invalid('Expected `thinking` or `redacted_thinking`, but found `text`.')
    : null
}

function blockProblem(block: Fields, model: string, at: string): Problem | null {
  if (block.text !== undefined)
    return String(block.text).trim() === ''
      ? invalid(`The text field in the ContentBlock object at ${at} is blank.`)
      : null
  const used = (block.toolUse ?? block.toolResult) as Fields | undefined
  if (used !== undefined && !/^[\w-]{1,64}$/.test(String(used.toolUseId)))
    return invalid(`toolUseId at ${at} failed to satisfy constraint: [a-zA-Z0-9_-]+`)
  if (block.toolUse !== undefined && (typeof used?.input !== 'object' || used.input === null))
    return invalid(`${at}.toolUse.input must be an object`)
  if (block.toolResult !== undefined) {
    const inner = used?.content
    if (!Array.isArray(inner) || inner.length === 0) return invalid(`${at}.toolResult.content must not be empty`)
    for (const item of inner) {
      const problem = blockProblem(item, model, `${at}.toolResult`)
      if (problem !== null) return problem
    }
  }
  if (block.cachePoint !== undefined && !isClaude(model) && !model.includes('nova'))
    return [
      403,
      'AccessDeniedException',
      'You invoked an unsupported model or your request did not allow prompt caching.',
    ]
  if (block.reasoningContent !== undefined) {
    const { reasoningText } = block.reasoningContent as { reasoningText?: Fields }
    if (!isClaude(model) && !model.includes('nova-2'))
      return invalid("This model doesn't support the reasoningContent.reasoningText.signature field.")
    if (reasoningText !== undefined && reasoningText.signature !== signature)
      return invalid(`${at}: Invalid \`signature\` in \`thinking\` block`)
  }
  return null
}
