import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'

/**
 * What OpenAI's API description calls required is in every answer that a codec writes, `null` included: clients that
 * were generated from it refuse an answer without. The expected side of the fixtures is what is looked at; that codecs
 * really answer so is the claim of the other walks.
 * https://github.com/openai/openai-openapi
 */

type Kind = (value: Json | undefined) => boolean

const text: Kind = value => typeof value === 'string'
const number: Kind = value => typeof value === 'number'
const whole: Kind = value => Number.isInteger(value)
const orNull =
  (kind: Kind): Kind =>
  value =>
    value === null || kind(value)
const exactly =
  (...values: readonly Json[]): Kind =>
  value =>
    value !== undefined && values.includes(value)
const listOf =
  (kind: Kind): Kind =>
  value =>
    Array.isArray(value) && value.every(kind)
/** Fields whose name ends with `?` may be left out. */
const shape =
  (fields: Readonly<Record<string, Kind>>): Kind =>
  value =>
    isObject(value) &&
    Object.entries(fields).every(([name, kind]) => {
      const found = value[name.replace('?', '')]
      return (found === undefined && name.endsWith('?')) || kind(found)
    })

const logprobs = orNull(isObject)
const finishReason = exactly('stop', 'length', 'tool_calls', 'content_filter')
const counts = shape({ prompt_tokens: whole, completion_tokens: whole, total_tokens: whole })
const call = shape({ id: text, type: exactly('function'), function: shape({ name: text, arguments: text }) })
const startOrRestOfCall = shape({
  index: whole,
  'id?': text,
  'type?': exactly('function'),
  function: shape({ 'name?': text, arguments: text }),
})

const shapes: Readonly<Record<string, { readonly answer: Kind; readonly event?: Kind }>> = {
  chat: {
    answer: shape({
      id: text,
      object: exactly('chat.completion'),
      created: whole,
      model: text,
      choices: listOf(
        shape({
          index: whole,
          message: shape({
            role: exactly('assistant'),
            content: orNull(text),
            refusal: orNull(text),
            'tool_calls?': listOf(call),
          }),
          logprobs,
          finish_reason: finishReason,
        }),
      ),
      'usage?': counts,
    }),
    event: shape({
      id: text,
      object: exactly('chat.completion.chunk'),
      created: whole,
      model: text,
      choices: listOf(
        shape({
          index: whole,
          delta: shape({
            'role?': exactly('assistant'),
            'content?': orNull(text),
            'tool_calls?': listOf(startOrRestOfCall),
          }),
          'logprobs?': logprobs,
          finish_reason: orNull(finishReason),
        }),
      ),
      'usage?': orNull(counts),
    }),
  },
  completions: {
    answer: shape({
      id: text,
      object: exactly('text_completion'),
      created: whole,
      model: text,
      choices: listOf(shape({ index: whole, text, logprobs, finish_reason: finishReason })),
      'usage?': counts,
    }),
  },
  embeddings: {
    answer: shape({
      object: exactly('list'),
      model: text,
      data: listOf(
        shape({
          object: exactly('embedding'),
          index: whole,
          embedding: value => text(value) || listOf(number)(value),
        }),
      ),
      usage: shape({ prompt_tokens: whole, total_tokens: whole }),
    }),
  },
  images: {
    answer: shape({
      created: whole,
      data: listOf(value => isObject(value) && (text(value.b64_json) || text(value.url))),
      'usage?': shape({
        input_tokens: whole,
        output_tokens: whole,
        total_tokens: whole,
        // Hosts that speak OpenAI's format don't all tell them apart.
        'input_tokens_details?': shape({ text_tokens: whole, image_tokens: whole }),
      }),
    }),
  },
  moderations: {
    answer: shape({
      id: text,
      model: text,
      results: listOf(
        shape({ flagged: value => typeof value === 'boolean', categories: isObject, category_scores: isObject }),
      ),
    }),
  },
  // Cohere's shape, which Jina's clients read as well: https://docs.cohere.com/reference/rerank
  rerank: {
    answer: shape({
      id: text,
      model: text,
      results: listOf(shape({ index: whole, relevance_score: number })),
      meta: isObject,
    }),
  },
}

interface Case {
  readonly name: string
  readonly client?: Json
}

function fixture(path: string): readonly Case[] {
  // From the build output, which mirrors the tree one level down.
  const url = new URL(`../../../test/fixtures/${path}.json`, import.meta.url)
  return existsSync(url) ? (JSON.parse(readFileSync(url, 'utf8')) as Case[]) : []
}

for (const [surface, { answer, event }] of Object.entries(shapes))
  test(`${surface}: what OpenAI requires of an answer is in all that codecs write`, () => {
    let seen = 0
    for (const { id, codecs } of providers) {
      const codec = codecs[surface as keyof typeof codecs]
      // Bytes that are passed on as they came are the vendor's word.
      if (codec === undefined || codec.relay === 'verbatim') continue
      for (const { name, client } of fixture(`${id}/${surface}/responses`)) {
        if (!isObject(client)) continue
        assert.ok(answer(client), `${id}, ${name}: ${JSON.stringify(client)}`)
        seen++
      }
      if (event === undefined) continue
      for (const { name, client } of fixture(`${id}/${surface}/streams`))
        for (const chunk of (client ?? []) as JsonObject[])
          assert.ok(event(chunk), `${id}, ${name}: ${JSON.stringify(chunk)}`)
    }
    assert.ok(seen > 0)
  })
