import { isObject, type JsonObject } from '../core/json.ts'
import { childPath, type Problem, problem } from './problems.ts'
import type { ProviderSettings } from './schema.ts'
import { settingKey } from './setting-key.ts'
import { didYouMean, unknownProvider } from './suggest.ts'

/**
 * Rules between fields. They look at the file as it came, valid or not, so that everything wrong with it is said at
 * once; a value of the wrong type is the schema's business and is passed over here.
 */
export function checkRules(
  config: JsonObject,
  providers: readonly ProviderSettings[],
  fixedTargetKeys: ReadonlySet<string>,
): Problem[] {
  const targets = objects(config.targets, 'targets')
  const keys = targets.map(([, target]) => targetKey(target, providers))
  // A reference may use the alias that the target was declared with.
  const known = (name: unknown): unknown =>
    typeof name === 'string' && !keys.includes(name) ? (providerNamed(name, providers)?.id ?? name) : name
  return [
    ...checkTargets(targets, keys, providers, fixedTargetKeys),
    ...checkStrategy(isObject(config.strategy) ? config.strategy : {}, targets, keys),
    ...checkAliases(config.aliases),
    ...checkPlugins(objects(config.plugins, 'plugins')),
    ...checkToolServers(objects(config.mcp_servers, 'mcp_servers')),
    ...checkTlsPairs(config, targets),
    ...['batch_target', 'responses_target'].flatMap(key => checkReference(known(config[key]), key, keys)),
  ]
}

type Entry = readonly [path: string, value: JsonObject]

const objects = (list: unknown, path: string): Entry[] =>
  Array.isArray(list)
    ? list.flatMap((item, index) => (isObject(item) ? [[childPath(path, index), item] as const] : []))
    : []

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The provider that goes by the name: its id, or one of its aliases. */
export const providerNamed = <P extends Pick<ProviderSettings, 'id' | 'aliases'>>(
  name: string,
  providers: readonly P[],
): P | undefined => providers.find(({ id }) => id === name) ?? providers.find(({ aliases }) => aliases?.includes(name))

/** What the rest of the config calls a target. An alias of its provider stands for the provider's id. */
export function targetKey(target: JsonObject, providers: readonly Pick<ProviderSettings, 'id' | 'aliases'>[]): string {
  const given = text(target.name)
  if (given !== '') return given
  const named = text(target.virtual_key) || text(target.provider)
  const provider = providerNamed(targetProvider(target), providers)
  return provider?.aliases?.includes(named) ? provider.id : named
}

export const targetProvider = (target: JsonObject): string => text(target.provider) || text(target.virtual_key)

function checkTargets(
  targets: readonly Entry[],
  keys: readonly string[],
  providers: readonly ProviderSettings[],
  fixedTargetKeys: ReadonlySet<string>,
): Problem[] {
  const problems: Problem[] = []
  const first = new Map<string, string>()
  targets.forEach(([path, target], index) => {
    const key = keys[index]
    const taken = first.get(key)
    if (targetProvider(target) === '') problems.push(problem(path, 'virtual_key is required'))
    else if (taken === undefined) first.set(key, path)
    else
      problems.push(
        problem(path, `${taken} is already called "${key}"`, 'give one of them a name of its own with `name`'),
      )
    problems.push(...checkModels(target.models, `${path}.models`))
    if (targetProvider(target) !== '') problems.push(...checkProvider(path, target, providers, fixedTargetKeys))
  })
  return problems
}

function checkModels(models: unknown, path: string): Problem[] {
  if (!Array.isArray(models)) return []
  return models.flatMap((model, index) =>
    typeof model === 'string' && models.indexOf(model) < index
      ? [problem(childPath(path, index), `"${model}" is listed twice`)]
      : [],
  )
}

function checkProvider(
  path: string,
  target: JsonObject,
  providers: readonly ProviderSettings[],
  fixedTargetKeys: ReadonlySet<string>,
): Problem[] {
  const id = targetProvider(target)
  const provider = providerNamed(id, providers)
  if (provider === undefined) {
    const ids = providers.map(candidate => candidate.id)
    const field = text(target.provider) !== '' ? 'provider' : 'virtual_key'
    const { message, hint } = unknownProvider(id, ids)
    return [problem(`${path}.${field}`, message, hint)]
  }
  const own = Object.keys(provider.settings).map(settingKey)
  const foreign = new Set(providers.flatMap(other => Object.keys(other.settings).map(settingKey)))
  return Object.keys(target)
    .filter(key => foreign.has(key) && !own.includes(key) && !fixedTargetKeys.has(key))
    .map(key => problem(childPath(path, key), `the provider "${id}" has no such setting`, didYouMean(key, own)))
}

function checkStrategy(strategy: JsonObject, targets: readonly Entry[], keys: readonly string[]): Problem[] {
  const problems: Problem[] = []
  const mode = text(strategy.mode)
  for (const [needs, list] of [
    ['conditional', 'conditions'],
    ['content-based', 'content_conditions'],
    ['ab-test', 'ab_variants'],
  ]) {
    const path = `strategy.${list}`
    const entries = objects(strategy[list], path)
    if (mode === needs && entries.length === 0)
      problems.push(problem(path, `the mode ${needs} needs at least one entry here`))
    for (const [place, entry] of entries)
      problems.push(...checkReference(entry.target_key, `${place}.target_key`, keys))
  }
  const variants = objects(strategy.ab_variants, 'strategy.ab_variants')
  if (variants.length > 0 && variants.every(([, variant]) => variant.weight === 0)) {
    problems.push(problem('strategy.ab_variants', 'at least one weight must be above 0'))
  }
  if (
    mode === 'loadbalance' &&
    targets.length > 0 &&
    targets.every(([, { weight }]) => weight === undefined || weight === null || weight === 0)
  ) {
    problems.push(problem('targets', 'the mode loadbalance needs at least one target with a weight above 0'))
  }
  return problems
}

function checkReference(name: unknown, path: string, keys: readonly string[]): Problem[] {
  if (typeof name !== 'string' || name === '' || keys.includes(name)) return []
  return [
    problem(
      path,
      `there is no target "${name}"; there are ${[...new Set(keys)].filter(Boolean).join(', ') || 'none'}`,
      didYouMean(name, keys),
    ),
  ]
}

function checkAliases(aliases: unknown): Problem[] {
  if (!isObject(aliases)) return []
  return Object.entries(aliases).flatMap(([name, model]) => {
    const path = childPath('aliases', name)
    if (name.trim() === '') return [problem(path, 'the name of an alias must not be empty')]
    if (typeof model !== 'string') return []
    if (model.trim() === '') return [problem(path, 'an alias must name a model')]
    if (model === name) return [problem(path, 'an alias must not stand for itself')]
    if (Object.hasOwn(aliases, model))
      return [problem(path, `"${model}" is an alias too; chained aliases are not supported`)]
    return []
  })
}

/** All entries of one plugin are one instance, so they must agree; the same entry twice would run twice. */
function checkPlugins(plugins: readonly Entry[]): Problem[] {
  const problems: Problem[] = []
  const first = new Map<string, { path: string; config: string; stages: Set<string> }>()
  for (const [path, plugin] of plugins) {
    const name = text(plugin.name)
    if (plugin.enabled !== true || name === '') continue
    const config = canonical(plugin.config ?? {})
    const stage = text(plugin.stage)
    const known = first.get(name)
    if (known === undefined) first.set(name, { path, config, stages: new Set([stage]) })
    else if (known.config !== config)
      problems.push(problem(path, `the config must be the one of ${known.path}: both are the same "${name}"`))
    else if (known.stages.has(stage)) problems.push(problem(path, `"${name}" is listed for this stage already`))
    else known.stages.add(stage)
  }
  return problems
}

function checkToolServers(servers: readonly Entry[]): Problem[] {
  const problems: Problem[] = []
  const names = servers.map(([, server]) => text(server.name))
  servers.forEach(([path, server], index) => {
    const first = names.indexOf(names[index])
    if (names[index] !== '' && first < index)
      problems.push(problem(`${path}.name`, `${servers[first][0]} has this name already`))
    if ((text(server.url) !== '') === (text(server.command) !== ''))
      problems.push(problem(path, 'exactly one of url and command is required'))
  })
  return problems
}

function checkTlsPairs(config: JsonObject, targets: readonly Entry[]): Problem[] {
  const upstream: Entry[] = isObject(config.upstream) ? [['upstream', config.upstream]] : []
  return [...upstream, ...targets].flatMap(([path, { tls }]) =>
    isObject(tls) && (text(tls.cert_file) !== '') !== (text(tls.key_file) !== '')
      ? [problem(`${path}.tls`, 'cert_file and key_file go together')]
      : [],
  )
}

/** JSON with sorted keys: equal texts for equal values. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )
}
