import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rows, tableProviders } from '../../providers/openai-compatible-table.ts'
import { scanObject, spliceChat, TopLevel } from '../../src/core/json-scan.ts'

/** Rows of the table have no fixtures: what each must do follows from the row. */

rows.forEach((row, place) => {
  const provider = tableProviders[place]
  const { chat } = provider.codecs
  const own = row.root === '' ? 'https://own.example/v1' : row.root

  test(`${row.id}: a chat and a stream, there and back`, () => {
    assert.ok(chat !== undefined && chat.encode === null && chat.relay === 'normalise')
    assert.equal(provider.id, row.id)
    const settings: Record<string, string> = { baseUrl: own, apiKey: 'k' }
    if (row.segment !== undefined) settings[row.segment.name] = 'one'
    const target = { model: 'm', settings, stream: true, requestId: 'r', nowMs: 1_767_225_605_432 }

    const root = row.segment === undefined ? own : own.replace(`{${row.segment.name}}`, 'one')
    assert.equal(provider.origin(settings) + chat.path(target), `${root}/chat/completions`)
    const header = { scheme: 'header', name: row.keyHeader, value: 'k' }
    assert.deepEqual(provider.auth(settings), row.keyHeader ? header : { scheme: 'bearer', token: 'k' })

    const client = Buffer.from('{"model":"a","messages":[],"stream":true,"max_completion_tokens":5,"top_k":3}')
    const top = new TopLevel()
    assert.equal(scanObject(client, 0, client.length, top), null)
    const changes = { model: 'm', includeUsage: true, tokenLimit: chat.tokenLimit }
    const sent = spliceChat(client, 0, client.length, top, changes)
    assert.ok(sent !== null)
    assert.deepEqual(JSON.parse(Buffer.from(sent).toString()), {
      model: 'm',
      messages: [],
      stream: true,
      max_tokens: 5,
      top_k: 3,
      stream_options: { include_usage: true },
    })

    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    const answer = chat.decode(
      { choices: [{ message: { content: 'Hi', reasoning: 'Hm' }, finish_reason: 'eos' }], usage },
      target,
    )
    assert.ok('body' in answer)
    const message = { content: 'Hi', reasoning: 'Hm', role: 'assistant', reasoning_content: 'Hm' }
    assert.deepEqual(answer.body.choices, [{ message, finish_reason: 'stop', index: 0 }])
    assert.equal(answer.usage.total, 5)

    const decoder = chat.events(target)
    const events = [
      { choices: [{ delta: { content: 'Hi' } }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }], usage },
    ]
    const read = events.map(event => decoder.decode({ event: '', data: JSON.stringify(event) }))
    assert.deepEqual(
      read.flatMap(decoded => (decoded.kind === 'chunks' ? decoded.chunks : [])).map(chunk => chunk.choices),
      [
        [{ index: 0, delta: { content: 'Hi', role: 'assistant' }, finish_reason: null }],
        [{ index: 0, delta: {}, finish_reason: 'stop' }],
      ],
    )
    assert.deepEqual(decoder.decode({ event: '', data: '[DONE]' }), { kind: 'done' })
    assert.deepEqual(chat.failure(401, { error: { message: 'No', code: 'invalid_api_key' } }), {
      message: 'No',
      code: 'invalid_api_key',
    })
  })
})

test('a variable with other uses brings no provider in, and its name is in the help', () => {
  rows.forEach((row, place) => {
    const { apiKey } = tableProviders[place].settings
    if (!row.isKeyShared) return
    assert.equal(apiKey.env, undefined, row.id)
    assert.ok(apiKey.secret && apiKey.help?.includes(row.key ?? '-'), row.id)
  })
})

test('a row that leads elsewhere is refused: a segment is one segment', () => {
  const runpod = tableProviders[rows.findIndex(row => row.id === 'runpod')]
  for (const endpoint of ['', '.', '..', 'a/b', 'a\\b'])
    assert.throws(() => runpod.origin({ baseUrl: runpod.settings.baseUrl.default ?? '', endpoint }), /endpoint must be/)
})
