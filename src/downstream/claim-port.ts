import { createServer } from 'node:net'

/**
 * Binds the port once and lets go of it: the engines share their port, so a second gateway would quietly take half of
 * the traffic instead of failing. Port 0 becomes a free one, which acceptors can then share.
 * Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`).
 */
export function claimPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(bound))
    })
  })
}
