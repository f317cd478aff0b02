/**
 * The origin of the download workloads: nginx with fixed replies, the same for every peer.
 *
 * /64 64 bytes from memory · /10k and /1m from files by sendfile · /100m a sparse file ·
 * /seen what arrived, to check that peers do the same job.
 */

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nginxBase, nginxHttpBase } from '../peers/nginx.ts';

/** Body sizes in bytes by path of the origin. */
export const REPLY_SIZES = {
  '/64': 64,
  '/10k': 10 * 1024,
  '/1m': 1024 * 1024,
  '/100m': 100 * 1024 * 1024,
} as const;

/** The origin's configuration: files in `dir`, listening on 127.0.0.1:`port`. */
export function fixedOriginConfig(dir: string, port: number): string {
  return `${nginxBase(dir)}http {
${nginxHttpBase(dir)}  access_log off;
  sendfile on;
  open_file_cache max=16;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${dir}/files;
    location / { return 200 "${'x'.repeat(REPLY_SIZES['/64'])}"; }
    location = /seen { return 200 "host=$http_host;for=$http_x_forwarded_for"; }
    location = /10k { }
    location = /1m { }
    location = /100m { }
  }
}
`;
}

/** Writes the replies below `dir`/files, which exists. */
export function writeReplies(dir: string): void {
  for (const [path, size] of Object.entries(REPLY_SIZES)) {
    const file = join(dir, 'files', path);
    if (size > 1024 * 1024) {
      writeFileSync(file, '');
      truncateSync(file, size); // Sparse: it costs page cache, not disk.
    } else {
      writeFileSync(file, Buffer.alloc(size, 'x'));
    }
  }
}
