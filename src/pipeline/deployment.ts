import { Failure } from '../core/failures.ts'
import { parseForm, withField } from '../core/form.ts'
import { at, insertMember, scanObject, TopLevel } from '../core/json-scan.ts'
import type { Body } from './attempt.ts'

const top = new TopLevel()

/**
 * The body with the deployment as its model, when it names none: Azure's clients say it in the path. What can't be read
 * stays as it is, for the surface to refuse in its own words.
 */
export function withDeployment(body: Body, contentType: string, deployment: string): Body {
  const bytes = withModel(body.bytes, contentType, deployment)
  return bytes === body.bytes ? body : { bytes, isLent: false }
}

function withModel(body: Uint8Array, contentType: string, deployment: string): Uint8Array {
  if (/^multipart\//i.test(contentType)) {
    const parts = parseForm(body, contentType)
    if (parts instanceof Failure || parts.some(({ name }) => name === 'model')) return body
    return withField(body, contentType, 'model', deployment)
  }
  if (scanObject(body, 0, body.length, top) !== null || top.has(at.model)) return body
  return insertMember(body, top, `"model":${JSON.stringify(deployment)}`)
}
