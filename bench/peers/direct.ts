import { CHAT_PATH, jsonHeaders, type Peer } from './peer.ts'

/** No gateway at all: what load generator and mock can do by themselves. */
export const direct: Peer = {
  name: 'direct',
  prepare: async () => null,
  supports: scenario => scenario.needs === undefined,
  start: async ({ upstreamPort }) => ({
    url: `http://127.0.0.1:${upstreamPort}${CHAT_PATH}`,
    headers: jsonHeaders,
    running: null,
    version: '',
    startMs: null,
  }),
}
