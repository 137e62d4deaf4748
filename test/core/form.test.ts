import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../src/core/failures.ts'
import { field, formBoundary, parseForm, writeForm } from '../../src/core/form.ts'

const partsOf = (disposition: string): unknown => {
  const form = parseForm(Buffer.from(`--b\r\n${disposition}\r\n\r\nx\r\n--b--\r\n`), 'multipart/form-data; boundary=b')
  return form instanceof Failure ? 'refused' : form.map(({ name, filename }) => [name, filename])
}

test('a part is called what every reader would call it, or is refused', () => {
  const parts: readonly (readonly [string, unknown])[] = [
    ['content-disposition: form-data; name="file"; filename="a; name=model"', [['file', 'a; name=model']]],
    ['content-disposition: form-data; filename="a; name=model"; name="file"', [['file', 'a; name=model']]],
    ['content-disposition: form-data; name="a; filename=b"', [['a; filename=b', null]]],
    ['Content-Disposition:form-data;NAME=file ; FileName="x \\"y\\".wav"', [['file', 'x "y".wav']]],
    // As aiohttp and older libraries name files that ASCII can't.
    ["content-disposition: form-data; name=file; filename*=utf-8''gr%C3%B6%C3%9Fe.wav", [['file', 'größe.wav']]],
    ["content-disposition: form-data; name=file; filename*=utf-8''%zz", [['file', '%zz']]],
    ['content-disposition: form-data; name=a; name=model', 'refused'],
    ["content-disposition: form-data; name=a; name*=utf-8''model", 'refused'],
    ['content-disposition: form-data; name=a\r\ncontent-disposition: form-data; name=model', 'refused'],
    ['content-disposition: form-data; name="a', 'refused'],
    ['content-disposition: form-data', 'refused'],
    ['content-disposition: form-data; name="__proto__"', [['__proto__', null]]],
  ]
  for (const [head, expected] of parts) assert.deepEqual(partsOf(head), expected, head)
})

test('a boundary is what every reader would take for it, or none', () => {
  assert.equal(formBoundary('multipart/form-data; boundary=abc'), 'abc')
  assert.equal(formBoundary('Multipart/Form-Data; charset=utf-8; Boundary="a b"'), 'a b')
  assert.equal(formBoundary('multipart/form-data; x="; boundary=evil"; boundary=good'), 'good')
  for (const type of ['', '; boundary=', '; boundary=a; boundary=b', '; boundary="a', `; boundary=${'a'.repeat(71)}`])
    assert.equal(formBoundary(`multipart/form-data${type}`), null, type)
})

test('a boundary of ours stays short and is in no part, whoever guesses it', () => {
  const text = `ferrite-seed${'-'.repeat(1000)}`
  const { contentType, bytes } = writeForm([field('a', text)], 'seed')
  const boundary = formBoundary(contentType)
  assert.ok(boundary !== null)
  assert.ok(!text.includes(boundary))
  const read = parseForm(bytes, contentType)
  assert.ok(!(read instanceof Failure))
  assert.equal(Buffer.from(read[0].bytes).toString(), text)
})
