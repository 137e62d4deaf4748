import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chatRequest, PipelineUnderTest, targetData } from './harness.ts'

const under = () =>
  new PipelineUnderTest({
    targets: [
      targetData('claude', {
        provider: 'anthropic',
        settings: { apiKey: 'sk-ant', baseUrl: 'https://claude.test/v1', beta: '' },
      }),
    ],
  })

const functions = [{ name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }]
const ask = (more: object = {}) => chatRequest({ model: 'claude-sonnet-4-5', max_tokens: 64, ...more })
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [
    { type: 'text', text: 'Let me see.' },
    { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Ulm' } },
    { type: 'tool_use', id: 'toolu_2', name: 'weather', input: { city: 'Bonn' } },
  ],
  stop_reason: 'tool_use',
  usage: { input_tokens: 9, output_tokens: 5 },
}

test('who asks with functions is answered with a function call', () => {
  const pipeline = under()
  const incoming = pipeline.ask(ask({ functions, function_call: { name: 'weather' } }))
  const sent = JSON.parse(pipeline.calls[0].body.toString())
  assert.deepEqual([sent.tools[0].name, sent.tool_choice.name], ['weather', 'weather'])
  pipeline.calls[0].answer(200, JSON.stringify(message))
  const [choice] = JSON.parse(incoming.body).choices
  assert.deepEqual(choice.message.function_call, { name: 'weather', arguments: '{"city":"Ulm"}' })
  assert.deepEqual(
    [choice.finish_reason, choice.message.tool_calls, choice.message.content],
    ['function_call', undefined, 'Let me see.'],
  )
})

test('who asks with tools is answered with tool calls, also beside functions', () => {
  for (const more of [{}, { functions }]) {
    const pipeline = under()
    const tools = functions.map(one => ({ type: 'function', function: one }))
    const incoming = pipeline.ask(ask({ tools, ...more }))
    pipeline.calls[0].answer(200, JSON.stringify(message))
    const [choice] = JSON.parse(incoming.body).choices
    assert.deepEqual([choice.finish_reason, choice.message.tool_calls.length], ['tool_calls', 2])
    assert.equal(choice.message.function_call, undefined)
  }
})

test('the arguments of a function call are streamed, and those of a second call are not mixed into them', () => {
  const pipeline = under()
  const incoming = pipeline.ask(ask({ functions, stream: true }))
  const use = (index: number, city: string) => [
    {
      type: 'content_block_start',
      index,
      content_block: { type: 'tool_use', id: `toolu_${index}`, name: 'weather', input: {} },
    },
    { type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
    { type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: `"${city}"}` } },
    { type: 'content_block_stop', index },
  ]
  const events = [
    { type: 'message_start', message: { ...message, content: [], stop_reason: null } },
    ...use(0, 'Ulm'),
    ...use(1, 'Bonn'),
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ]
  const [call] = pipeline.calls
  call.beginStream('')
  for (const event of events) call.data(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  call.handler.onEnd()
  const chunks = incoming.body
    .split('\n\n')
    .filter(text => text.startsWith('data: {'))
    .map(text => JSON.parse(text.slice(6)).choices[0])
    .filter(choice => choice !== undefined)
  const calls = chunks.flatMap(({ delta }) => (delta.function_call === undefined ? [] : [delta.function_call]))
  assert.deepEqual(calls.map(({ name }) => name).filter(Boolean), ['weather'])
  assert.equal(calls.map(each => each.arguments).join(''), '{"city":"Ulm"}')
  assert.deepEqual(chunks.map(({ finish_reason }) => finish_reason).filter(Boolean), ['function_call'])
  assert.ok(!incoming.body.includes('tool_calls'))
  assert.match(incoming.body, /data: \[DONE\]\n\n$/)
})
