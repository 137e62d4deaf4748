import type { TestContext } from 'node:test'

const vendors = /^(?:AWS|GOOGLE|GCE|GCLOUD|CLOUDSDK|METADATA|NO_GCE|HOME$|APPDATA$)/

/** The environment that the vendors' libraries read: of what is theirs only this, for one test. */
export function setEnvironment(t: TestContext, variables: Readonly<Record<string, string>>): void {
  const before = { ...process.env }
  for (const name of Object.keys(process.env)) if (vendors.test(name)) delete process.env[name]
  Object.assign(process.env, { HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' }, variables)
  t.after(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  })
}
