import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyFor } from '../../src/upstream/proxy.ts'

const proxy = 'http://proxy:3128'

test('the scheme of the origin chooses the variable, and the lower-case spelling wins', () => {
  const env = { HTTP_PROXY: 'http://upper:1', http_proxy: 'http://lower:1', HTTPS_PROXY: 'http://secure:1' }
  assert.equal(proxyFor('http://api.example.com', env), 'http://lower:1')
  assert.equal(proxyFor('https://api.example.com', env), 'http://secure:1')
  assert.equal(proxyFor('https://api.example.com', { HTTP_PROXY: proxy }), '')
  assert.equal(proxyFor('https://api.example.com', { https_proxy: '', HTTPS_PROXY: proxy }), '')
  assert.equal(proxyFor('local:demo', env), '')
})

test('a proxy without a scheme is an HTTP proxy', () => {
  assert.equal(proxyFor('https://a.test', { HTTPS_PROXY: ' proxy:3128 ' }), proxy)
  assert.equal(proxyFor('https://a.test', { HTTPS_PROXY: 'socks5://proxy:1080' }), 'socks5://proxy:1080')
})

test('in a CGI process HTTP_PROXY is not believed', () => {
  const env = { REQUEST_METHOD: 'GET', HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
  assert.equal(proxyFor('http://a.test', env), '')
  assert.equal(proxyFor('https://a.test', env), proxy)
  assert.equal(proxyFor('http://a.test', { ...env, http_proxy: proxy }), proxy)
})

test('loopback is always direct', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]']) {
    assert.equal(proxyFor(`http://${host}:8000`, { HTTP_PROXY: proxy }), '')
  }
})

const rules: [rule: string, url: string, isDirect: boolean][] = [
  ['*', 'https://api.example.com', true],
  ['example.com', 'https://example.com', true],
  ['example.com', 'https://api.example.com', true],
  ['Example.COM', 'https://api.EXAMPLE.com', true],
  ['example.com', 'https://badexample.com', false],
  ['example.com', 'https://example.com.evil.test', false],
  ['.example.com', 'https://api.example.com', true],
  ['.example.com', 'https://example.com', false],
  ['*.example.com', 'https://api.example.com', true],
  ['*.example.com', 'https://example.com', false],
  ['example.com.', 'https://api.example.com.', true],
  ['example.com:443', 'https://example.com', true],
  ['example.com:443', 'http://example.com', false],
  ['example.com:8443', 'https://example.com', false],
  ['example.com:8443', 'https://api.example.com:8443', true],
  ['10.0.0.7', 'http://10.0.0.7:8000', true],
  ['10.0.0.7:8000', 'http://10.0.0.7:8000', true],
  ['10.0.0.7:8001', 'http://10.0.0.7:8000', false],
  ['10.0.0.7', 'http://10.0.0.70', false],
  ['10.0.0.0/8', 'http://10.1.2.3', true],
  ['10.0.0.0/8', 'http://11.1.2.3', false],
  ['10.0.0.0/33', 'http://10.1.2.3', false],
  ['10.0.0.0/', 'http://10.1.2.3', false],
  ['10.0.0.0/8', 'http://ten.test', false],
  ['fd00::/8', 'http://[fd12::1]:80', true],
  ['[fd12::1]:80', 'http://[fd12::1]:80', true],
  ['fd12::1', 'http://[fd12::0:1]', true],
  ['a.test, b.test  c.test', 'http://c.test', true],
  [',,', 'http://c.test', false],
  ['', 'http://c.test', false],
]

for (const [rule, url, isDirect] of rules) {
  test(`NO_PROXY=${JSON.stringify(rule)} makes ${url} ${isDirect ? 'direct' : 'go through the proxy'}`, () => {
    const env = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: rule }
    assert.equal(proxyFor(url, env), isDirect ? '' : proxy)
  })
}
