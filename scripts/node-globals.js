// What bundles use in place of the globals of these names, which are getters: each use would be a call.
export { Buffer } from 'node:buffer'
export { performance } from 'node:perf_hooks'
