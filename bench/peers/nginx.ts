import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../measure/launch.ts'
import { onPath, versionOf } from '../measure/machine.ts'
import type { Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

/** A plain proxy with one worker and kept-alive upstream connections: the practical limit. */
export const nginx: Peer = {
  name: 'nginx',
  prepare: async () => (onPath('nginx') ? null : 'nginx is not on the PATH'),
  supports: scenario => scenario.needs === undefined,
  async start(context) {
    const { upstreamPort, directory } = context
    const port = await freePort()
    const file = join(directory, 'nginx.conf')
    writeFileSync(file, nginxConfig(directory, port, upstreamPort, process.getuid?.() === 0))
    return startPeer(context, {
      command: ['nginx', '-c', file, '-e', join(directory, 'error.log')],
      port,
      version: versionOf('nginx', '-v').replace('nginx version: ', ''),
    })
  },
}

export function nginxConfig(directory: string, port: number, upstreamPort: number, root: boolean): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(kind => `  ${kind}_temp_path ${directory}/${kind};`)
    .join('\n')
  return `${root ? 'user root;\n' : ''}daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
${temporary}
  client_max_body_size 64m;
  client_body_buffer_size 512k;
  keepalive_requests 1000000000;
  proxy_read_timeout 600s;
  upstream mock {
    server 127.0.0.1:${upstreamPort};
    keepalive 4096;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=8192;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
      proxy_busy_buffers_size 128k;
    }
  }
}
`
}
