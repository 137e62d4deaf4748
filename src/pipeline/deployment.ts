import { Failure } from '../core/failures.ts'
import { parseForm, withField } from '../core/form.ts'
import { at, insertMember, isNull, isString, scanObject, splice, TopLevel } from '../core/json-scan.ts'
import type { Body } from './walk.ts'

const top = new TopLevel()

/**
 * The body with the deployment as its model, when it names none: Azure's clients say it in the path, and an empty model in
 * the body, as SDKs demand one. What can't be read stays as it is, for the surface to refuse in its own words.
 * https://learn.microsoft.com/azure/ai-services/openai/how-to/migration-javascript
 */
export function withDeployment(body: Body, contentType: string, deployment: string): Body {
  const withModel = /^multipart\//i.test(contentType) ? withModelPart : withModelMember
  const bytes = withModel(body.bytes, deployment, contentType)
  return bytes === body.bytes ? body : { bytes, isLent: false }
}

function withModelMember(body: Uint8Array, deployment: string): Uint8Array {
  if (scanObject(body, 0, body.length, top) !== null) return body
  const replacement = JSON.stringify(deployment)
  if (!top.has(at.model)) return insertMember(body, top, `"model":${replacement}`)
  const [start, end] = [top.start(at.model), top.end(at.model)]
  const isEmpty = isNull(body, start) || (isString(body, start) && end - start === 2)
  return isEmpty ? splice(body, 0, body.length, [{ start, end, replacement }]) : body
}

function withModelPart(body: Uint8Array, deployment: string, contentType: string): Uint8Array {
  const parts = parseForm(body, contentType)
  if (parts instanceof Failure) return body
  const named = parts.find(({ name }) => name === 'model')
  if (named === undefined) return withField(body, contentType, 'model', deployment)
  // An empty part can be filled where a line break of its own ends it.
  if (named.bytes.length > 0 || body[named.start] !== 0x0d) return body
  return splice(body, 0, body.length, [{ start: named.start, end: named.start, replacement: deployment }])
}
