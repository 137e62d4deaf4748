import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, directory } from '../cli/run-cli.ts'

/** Configs in the pages: what somebody will copy. */
for (const page of ['README.md', 'docs/configuration.md', 'docs/providers.md']) {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text)
  const configs = blocks.filter(text => /^targets:/m.test(text))

  test(`every config in ${page} is valid`, async t => {
    assert.notEqual(configs.length, 0)
    const cwd = directory(t)
    writeFileSync(join(cwd, 'keys.jsonl'), '')
    for (const [i, text] of configs.entries()) {
      const file = `config-${i}.yaml`
      writeFileSync(join(cwd, file), text)
      const { code, stderr } = await cli(['validate', file], { cwd })
      assert.equal(code, 0, `${text}\n${stderr}`)
      // Credentials have no value here; whatever else there is to say would be said to who copied it.
      const warnings = stderr
        .split('\n')
        .filter(line => line !== '' && !line.endsWith('has no value here, so this is not checked'))
      assert.deepEqual(warnings, [], text)
    }
  })
}
