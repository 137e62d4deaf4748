import { providers } from '../../providers/index.ts'
import { configJsonSchema } from '../config/json-schema.ts'
import { print } from './terminal.ts'

export async function configSchemaCommand(): Promise<number> {
  await print(`${JSON.stringify(configJsonSchema(providers), null, 2)}\n`)
  return 0
}
