// Bundled by bundled.test.ts: asks for lines once and prints them. Arguments: the Auth as JSON.
import { Failure } from '../../../src/core/failures.ts'
import { createAuthorizer } from '../../../src/upstream/auth/index.ts'
import { createUpstream } from '../../../src/upstream/index.ts'
import { plainRequest } from './harness.ts'

const upstream = createUpstream()
const { authorize } = createAuthorizer(JSON.parse(process.argv[2]), { upstream })
const lines = await authorize?.({ ...plainRequest, nowMs: Date.now() })
process.stdout.write(lines instanceof Failure ? `failed: ${lines.details.cause}` : String(lines))
await upstream.close(0)
