import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { providers as registry } from '../../providers/index.ts'
import { configJsonSchema } from '../../src/config/json-schema.ts'
import { loadConfig } from '../../src/config/load.ts'
import { accepted, providers, repositoryRoot } from './support.ts'

interface Node {
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly additionalProperties?: unknown
}

const schema = configJsonSchema(providers) as Node & { $schema?: string }
const example = readFileSync(join(repositoryRoot(), 'config.example.yaml'), 'utf8')

function* fields(node: Node, path: string): Generator<[path: string, key: string, field: Node]> {
  for (const [key, field] of Object.entries(node.properties ?? {})) {
    yield [`${path}.${key}`, key, field]
    yield* fields(field, `${path}.${key}`)
    if (field.items !== undefined) yield* fields(field.items, `${path}.${key}[]`)
  }
}

test('the schema is draft 2020-12, strict, and describes every field', () => {
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema')
  assert.equal(schema.additionalProperties, false)
  const all = [...fields(schema, '')]
  assert.ok(all.length > 100)
  for (const [path, , field] of all) assert.match(field.description ?? '', /\S.*[.:]$/, path)
  assert.deepEqual(
    [
      schema.properties?.server?.properties?.port?.default,
      schema.properties?.server?.properties?.head_timeout?.default,
    ],
    [8080, '10s'],
  )
})

test('settings of the providers are fields of a target', () => {
  const target = schema.properties?.targets?.items?.properties ?? {}
  assert.match(
    target.api_key?.description ?? '',
    /^Credential, .*; for openai, openai-compatible, mistral: from the console\.$/,
  )
  assert.ok('region' in target && 'organization' in target)
})

test('the example loads without a warning', () => {
  assert.deepEqual(accepted(example).warnings, [])
})

test('the example loads with the providers there are', () => {
  const result = loadConfig(example, 'config.example.yaml', registry)
  assert.ok(result.ok && result.warnings.length === 0, JSON.stringify(result))
})

test('the example shows every key', () => {
  const providerSettings = new Set(['organization', 'region'])
  for (const [path, key] of fields(schema, '')) {
    if (!providerSettings.has(key)) assert.match(example, new RegExp(`\\b${key}\\b["']?:`), path)
  }
})

test('the defaults the example shows are the defaults', () => {
  const { config } = accepted(example)
  const differs = ['apiVersion', 'strategy', 'targets', 'aliases', 'plugins', 'auth']
  for (const [section, value] of Object.entries(config)) {
    if (differs.includes(section)) continue
    const described = schema.properties?.[section]
    if (typeof value !== 'object') assert.equal(described?.default, value, section)
    else
      for (const [key, shown] of Object.entries(value))
        assert.deepEqual(described?.properties?.[key]?.default, shown, `${section}.${key}`)
  }
})
