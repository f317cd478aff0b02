/**
 * The `site` origin of the quick start: three static files and a download of any size.
 *
 *   GET /                     the page
 *   GET /download?mib=64      a stream made on the fly, at most 4096 MiB, as fast as it is read
 */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';

const MIB = 1024 * 1024;
const DOWNLOAD_MIB_MAX = 4_096;
const BLOCK = Buffer.alloc(64 * 1024, 'Proxy Now quick start. ');
const FOLDER = join(import.meta.dirname, 'site');

/** The whole site: a path that is not in here does not exist, so none can leave the folder. */
const FILES: { readonly [path: string]: readonly [file: string, type: string] } = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};

/** The origin, not listening yet. */
export function createSiteOrigin(): Server {
  const pages = new Map<string, readonly [body: Buffer, type: string]>();
  for (const [path, [file, type]] of Object.entries(FILES)) {
    pages.set(path, [readFileSync(join(FOLDER, file)), type]);
  }
  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://origin');
    const { localAddress, localPort } = request.socket;
    response.setHeader('x-origin', `site ${localAddress}:${localPort}`);
    const page = pages.get(url.pathname);
    if (request.method !== 'GET' && request.method !== 'HEAD') sendText(response, 405);
    else if (url.pathname === '/download') sendDownload(url, request, response);
    else if (page === undefined) sendText(response, 404);
    else {
      response.setHeader('content-type', page[1]);
      response.setHeader('content-length', page[0].length);
      response.setHeader('cache-control', 'no-cache');
      response.end(page[0]);
    }
  });
}

function sendText(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(status === 404 ? 'No such page.\n' : 'Only GET and HEAD.\n');
}

function sendDownload(url: URL, request: IncomingMessage, response: ServerResponse): void {
  const asked = Math.trunc(Number(url.searchParams.get('mib') ?? 64));
  const mib = asked >= 1 && asked <= DOWNLOAD_MIB_MAX ? asked : 64;
  let left = mib * MIB;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': left,
    'cache-control': 'no-store',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const fill = (): void => {
    while (left > 0) {
      left -= BLOCK.length; // A MiB is a whole number of blocks.
      if (!response.write(BLOCK)) return;
    }
    response.end();
  };
  response.on('drain', fill);
  fill();
}
