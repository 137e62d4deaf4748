import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressText, plainAddress } from '../../src/downstream/address.ts'
import { connectionCap, defaultFileLimit, parseFileLimit, readFileLimit } from '../../src/downstream/peer-limits.ts'
import { isContinue, isHost, isKnownMethod, originForm } from '../../src/downstream/requests.ts'

test('targets are brought to origin form, or refused', () => {
  const cases: [string, string, string][] = [
    ['GET', '/', '/'],
    ['GET', '/a?b=c', '/a?b=c'],
    ['GET', '//a', '//a'],
    ['GET', 'http://a/b?c', '/b?c'],
    ['GET', 'HTTPS://a', '/'],
    ['GET', 'http://a?c', '/?c'],
    ['GET', 'http:///b', ''],
    ['GET', 'ftp://a/b', ''],
    ['GET', 'a:443', ''],
    ['GET', '', ''],
    ['GET', '*', ''],
    ['OPTIONS', '*', '/'],
    ['GET', '/a#b', ''],
    ['GET', '/a b', ''],
    ['GET', '/a\x7f', ''],
    ['GET', '/\u00e9', ''],
  ]
  for (const [method, target, expected] of cases) assert.equal(originForm(method, target), expected, target)
})

test('a Host is one host', () => {
  for (const host of ['', 'a', 'a.b:80', '[::1]:8080', 'xn--a', '127.0.0.1']) assert.ok(isHost(host), host)
  for (const host of ['a b', 'a,b', 'a/b', 'a@b', 'a?b', 'a#b', 'a\tb', 'a\\b', '\u00e9'])
    assert.ok(!isHost(host), host)
})

test('methods are case-sensitive and CONNECT is not served', () => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'])
    assert.ok(isKnownMethod(method))
  for (const method of ['get', 'CONNECT', 'PRI', 'BREW', '']) assert.ok(!isKnownMethod(method))
  assert.ok(isContinue('100-Continue'))
  assert.ok(!isContinue('100-continue, other'))
})

test('addresses are written as RFC 5952 has them, mapped ones as IPv4', () => {
  const v6 = (...groups: number[]): Uint8Array => Uint8Array.from(groups.flatMap(group => [group >> 8, group & 255]))
  assert.equal(addressText(Uint8Array.of(127, 0, 0, 1)), '127.0.0.1')
  assert.equal(addressText(Uint8Array.of(255, 254, 0, 9)), '255.254.0.9')
  assert.equal(addressText(v6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)), '127.0.0.1')
  assert.equal(addressText(v6(0, 0, 0, 0, 0, 0, 0, 1)), '::1')
  assert.equal(addressText(v6(0, 0, 0, 0, 0, 0, 0, 0)), '::')
  assert.equal(addressText(v6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)), '2001:db8::1:0:0:1')
  assert.equal(addressText(v6(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)), '2001:db8:0:1:1:1:1:1')
  assert.equal(addressText(v6(1, 2, 3, 4, 5, 6, 7, 0)), '1:2:3:4:5:6:7:0')
  assert.equal(addressText(new Uint8Array(0)), '')
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(plainAddress('::1'), '::1')
  assert.equal(plainAddress(undefined), '')
})

test('an address stays right when more were seen than are remembered', () => {
  for (let index = 0; index < 10_000; index++) addressText(Uint8Array.of(10, index >> 8, index & 255, 1))
  assert.equal(addressText(Uint8Array.of(10, 39, 15, 1)), '10.39.15.1')
  assert.equal(addressText(Uint8Array.of(10, 0, 0, 1)), '10.0.0.1')
})

test('the connection cap leaves room for upstreams and never reaches zero', () => {
  assert.equal(connectionCap(20_000, 2000), 20_000 - 2000 - 128 - 512)
  assert.equal(connectionCap(1024, 256), 1024 - 256 - 128 - 128)
  assert.equal(connectionCap(256, 256), 16)
  for (const limit of [16, 1024, 4096, 65_536, 1_048_576])
    assert.ok(connectionCap(limit, 64) + 64 < Math.max(limit, 96))
})

test('the limit of open files is read from the process table, or assumed', () => {
  assert.equal(
    parseFileLimit('Limit  Soft Limit\nMax open files            20000                524288               files \n'),
    20_000,
  )
  assert.equal(parseFileLimit('Max open files            unlimited            unlimited            files\n'), 1_048_576)
  assert.equal(parseFileLimit('nonsense'), defaultFileLimit)
  assert.ok(readFileLimit() > 0)
})
