import { Failure } from '../core/failures.ts'
import { type FormPart, type FormRequest, field, fieldOf, parseForm, withField } from '../core/form.ts'
import type { BodyChanges, Call, Measured } from '../core/surface.ts'
import { checkModel, refuse } from './json-call.ts'

export interface FormRules {
  /** One of these must be there as a file. */
  readonly files: readonly string[]
  /** Fields that must be there and not empty. */
  readonly fields: readonly string[]
  readonly isModelOptional?: boolean
  /** What it is charged by, where answers don't say. */
  readonly measure?: (value: (field: string) => string | undefined) => Measured
  /** `stream` means something here; elsewhere it is one more field, for the upstream to judge. */
  readonly mayStream?: boolean
}

/** Reads a form of which little must be known; the rest is the upstream's to judge. */
export function readForm(body: Uint8Array, contentType: string, rules: FormRules): Call | Failure {
  const parts = parseForm(body, contentType)
  if (parts instanceof Failure) return parts
  const form = { parts }
  const models = parts.filter(isModel)
  if (models.length > 1) return refuse('model', 'model must be given once')
  const model = fieldOf(form, 'model') ?? ''
  if (model.trim() === '' && (models.length === 1 || rules.isModelOptional !== true))
    return refuse('model', 'model is required')
  const tooLong = checkModel(model)
  if (tooLong !== null) return tooLong
  if (!parts.some(({ name, filename }) => filename !== null && rules.files.includes(name)))
    return refuse(rules.files[0]!, `${rules.files[0]} is required`)
  const missing = rules.fields.find(name => !fieldOf(form, name))
  if (missing !== undefined) return refuse(missing, `${missing} is required`)
  const measured = rules.measure?.(name => fieldOf(form, name))
  const stream = rules.mayStream === true && isTrue(fieldOf(form, 'stream'))
  return new FormCall(model, stream, contentType, measured)
}

/** As the clients' form writers spell it: JavaScript's, and Python's. */
const isTrue = (text: string | undefined): boolean => text === 'true' || text === 'True' || text === '1'

const isModel = ({ name }: FormPart): boolean => name === 'model'

class FormCall implements Call {
  readonly model: string
  readonly stream: boolean
  readonly usageWish = null
  readonly contentType: string
  readonly measured: Measured | undefined

  constructor(model: string, stream: boolean, contentType: string, measured: Measured | undefined) {
    this.model = model
    this.stream = stream
    this.contentType = contentType
    this.measured = measured
  }

  splice(body: Uint8Array, { model }: BodyChanges): Uint8Array | null {
    if (model === this.model) return null
    const parts = parseForm(body, this.contentType)
    if (parts instanceof Failure) return null
    const named = parts.find(isModel)
    // A form without a model gets one, before its first part.
    if (named === undefined) return withField(body, this.contentType, 'model', model)
    return Buffer.concat([body.subarray(0, named.start), Buffer.from(model), body.subarray(named.end)])
  }

  parse(body: Uint8Array, model: string): FormRequest | null {
    const parts = parseForm(body, this.contentType)
    if (parts instanceof Failure) return null
    const others = parts.filter(part => !isModel(part))
    return { parts: model === '' ? others : [field('model', model), ...others] }
  }
}
