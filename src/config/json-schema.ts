import * as z from 'zod'
import { createConfigSchema, type ProviderSettings } from './schema.ts'

/** JSON Schema (draft 2020-12) of the config file, for editors. */
export function configJsonSchema(providers: readonly ProviderSettings[]): Record<string, unknown> {
  const schema = z.toJSONSchema(createConfigSchema(providers), { target: 'draft-2020-12', io: 'input' })
  return { ...schema, title: 'Ferrite configuration' }
}
