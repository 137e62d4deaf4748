import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'

/** The bundle a user runs. */
const program = resolve(process.env.FERRITE_DIST ?? 'dist', 'main.js')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Where {
  readonly cwd?: string
  /** On top of a bare environment: nothing of the tester's own leaks in. */
  readonly env?: Readonly<Record<string, string>>
}

export function cli(args: readonly string[], { cwd, env }: Where = {}): Promise<Finished> {
  return new Promise((done, failed) => {
    const child = start(args, { cwd, env })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.once('error', failed)
    child.once('close', code => done({ code, stdout, stderr }))
  })
}

export const start = (args: readonly string[], { cwd, env }: Where = {}) =>
  spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

/** Starts the gateway, waits for the line that says it serves, and stops it after the test. */
export async function serving(t: TestContext, args: readonly string[], where: Where) {
  const child = start(args, where)
  const closed = new Promise<number | null>(resolve => child.once('close', resolve))
  t.after(async () => {
    child.kill('SIGTERM')
    await closed
  })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  await new Promise<void>((ready, failed) => {
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
      // The banner comes before it, on the other pipe.
      if (stdout.includes('"msg":"ready"')) ready()
    })
    void closed.then(code => failed(new Error(`ended with ${code} before it was ready: ${stdout}${stderr}`)))
  })
  const ready = stdout.split('\n').find(line => line.includes('"msg":"ready"')) ?? ''
  const { port } = JSON.parse(ready) as { port: number }
  return { url: `http://127.0.0.1:${port}`, stderr: () => stderr }
}

export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ferrite-cli-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
