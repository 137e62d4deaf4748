import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'

/** Runs the check on a tree of these files; what it says, '' when all is well. */
function check(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'ferrite-imports-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const tree = {
    'providers/acme.ts': "export const acme = defineProvider({\n  id: 'acme',\n})\n",
    'workers/worker.ts': '',
    ...files,
  }
  for (const [path, text] of Object.entries({ 'src/main.ts': '', ...tree })) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const { status, stderr } = spawnSync(process.execPath, ['scripts/check-imports.js', root], { encoding: 'utf8' })
  assert.equal(status, stderr === '' ? 0 : 1)
  return stderr
}

const broken: readonly [claim: string, file: string, text: string, says: RegExp][] = [
  ['core imports another folder', 'src/core/a.ts', "import { b } from '../shared/b.ts'", /core must not import shared/],
  ['core imports a package', 'src/core/a.ts', "import * as z from 'zod'", /core depends on nothing/],
  [
    'a type is imported against the arrows',
    'src/wire/a.ts',
    "import type { B } from '../upstream/b.ts'",
    /wire must not import upstream/,
  ],
  [
    'an import is spread over lines',
    'src/shared/a.ts',
    "import {\n  b,\n} from '../config/b.ts'",
    /a\.ts:1: shared must not import config/,
  ],
  [
    'an import is dynamic',
    'src/pipeline/a.ts',
    "await import('../telemetry/b.ts')",
    /pipeline must not import telemetry/,
  ],
  [
    'something is re-exported',
    'src/surfaces/a.ts',
    "export * from '../pipeline/b.ts'",
    /surfaces must not import pipeline/,
  ],
  [
    'the command line imports a thread',
    'src/cli/a.ts',
    "import '../../workers/worker.ts'",
    /cli must not import workers/,
  ],
  [
    'a provider imports more than core',
    'providers/b.ts',
    "import { c } from '../src/wire/c.ts'",
    /providers must not import wire/,
  ],
  ['a provider imports a package', 'providers/b.ts', "import { c } from 'undici'", /providers depend on core alone/],
  ['a folder is not known', 'src/misc/a.ts', "import { b } from '../core/b.ts'", /misc\/, which no rule knows/],
  ['a file is imported without its ending', 'src/core/a.ts', "import { b } from './b'", /say the file, with \.ts/],
  ['an HTTP client is used elsewhere', 'src/telemetry/a.ts', "import { Pool } from 'undici'", /only upstream\/ opens/],
  ['fetch is called elsewhere', 'src/control/a.ts', 'await fetch(url)', /fetch\( here: only upstream/],
  ['a socket is opened elsewhere', 'src/control/a.ts', "import { connect } from 'node:net'", /only upstream\/ opens/],
  [
    'a server is made elsewhere',
    'src/control/a.ts',
    "import { createServer } from 'node:net'",
    /only downstream\/ listens/,
  ],
  [
    'node:http is used elsewhere',
    'src/control/a.ts',
    "import http from 'node:http'",
    /only upstream\/ and downstream\//,
  ],
  [
    'uWebSockets.js is loaded elsewhere',
    'src/link/a.ts',
    "createRequire(import.meta.url)('uWebSockets.js')",
    /only downstream\/ listens/,
  ],
  [
    'the environment is read elsewhere',
    'src/pipeline/a.ts',
    'const key = process.env.KEY',
    /only config\/ and cli\/ read/,
  ],
  ['a worker reads the environment', 'workers/a.ts', 'const key = process.env.KEY', /only config\/ and cli\/ read/],
  ['Atomics are used elsewhere', 'src/link/a.ts', 'Atomics.add(words, 0, 1)', /only shared\/ uses Atomics/],
  [
    'a process is started',
    'src/control/a.ts',
    "import { spawn } from 'node:child_process'",
    /only mcp\/ starts processes/,
  ],
  ['a provider is named', 'src/pipeline/a.ts', "if (provider === 'acme') wait()", /a\.ts:1: names the provider 'acme'/],
  [
    'a handler does something before onAborted',
    'src/downstream/uws.ts',
    "app.any('/*', (res, req) => {\n  log(req)\n  res.onAborted(stop)\n})",
    /must begin with res\.onAborted/,
  ],
  [
    'a handler is a method that does',
    'src/downstream/uws.ts',
    "class E {\n  f() {\n    this.app.get('/x', (res, req) => this.#on(res, req))\n  }\n  #on(res: R): void {\n    log()\n  }\n}",
    /must begin with res\.onAborted/,
  ],
  [
    'an exchange does something before onAborted',
    'src/downstream/uws.ts',
    "class X {\n  constructor(res: R) {\n    start(res)\n    res.onAborted(stop)\n  }\n}\napp.any('/*', (res, req) => {\n  const x = new X(res)\n})",
    /the constructor of X must register/,
  ],
]

for (const [claim, file, text, says] of broken) {
  test(`it is refused that ${claim}`, t => {
    assert.match(check(t, { [file]: `${text}\n` }), says)
  })
}

const fine: readonly [claim: string, file: string, text: string][] = [
  [
    'comments and texts may say anything',
    'src/core/a.ts',
    "// process.env, Atomics.add, import { x } from '../shared/x.ts'\n/* fetch(url) */\nconst s = 'Atomics.wait( process.env'",
  ],
  [
    'a folder imports below it',
    'src/pipeline/a.ts',
    "import { b } from '../upstream/b.ts'\nimport type { C } from '../core/c.ts'",
  ],
  [
    'a composition root imports everything',
    'src/main.ts',
    "import { acme } from '../providers/acme.ts'\nawait import('./cli/run.ts')",
  ],
  [
    'a handler begins with onAborted',
    'src/downstream/uws.ts',
    "app.any('/*', (res, req) => {\n  res.onAborted(stop)\n  go(req)\n})",
  ],
  [
    'a regular expression with quotes hides nothing after it',
    'src/core/a.ts',
    'const quote = /[\'"`]/\nconst words = 1',
  ],
]

for (const [claim, file, text] of fine) {
  test(`it is accepted that ${claim}`, t => {
    assert.equal(check(t, { [file]: `${text}\n` }), '')
  })
}

test('a regular expression with quotes does not hide a broken rule after it', t => {
  const text = "const quote = /['\"`]/\nconst key = process.env.KEY\nconst other = 'x'\n"
  assert.match(check(t, { 'src/link/a.ts': text }), /a\.ts:2: process\.env here/)
})
