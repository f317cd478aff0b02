/**
 * Large bodies pass unchanged and cost the proxy no memory that grows with their size.
 *
 * 64 MB each way by default; `PROXY_NOW_LARGE_MB=1024` makes it 1 GB.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import test from 'node:test';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { fetchFrom, startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { treeUsage } from '../support/process-tree.ts';
import { createPrng } from '../support/prng.ts';

const MEGABYTE = 1_048_576;
const SIZE = Number(process.env['PROXY_NOW_LARGE_MB'] ?? 64) * MEGABYTE;
/** What the resident set may grow by during a transfer, whatever its size. */
const GROWTH_MAX = 64 * MEGABYTE;
const BLOCK_SIZE = 256 * 1_024;

const block = Buffer.alloc(BLOCK_SIZE);
const random = createPrng(1);
for (let i = 0; i < BLOCK_SIZE; i += 4) block.writeUInt32LE(random.next(), i);

/** Writes `SIZE` pseudo-random bytes, no two blocks alike. @returns their sha256 */
async function pour(sink: http.ClientRequest | http.ServerResponse): Promise<string> {
  const hash = createHash('sha256');
  for (let sent = 0; sent < SIZE; sent += BLOCK_SIZE) {
    const bytes = Buffer.from(block);
    bytes.writeUInt32LE(sent / BLOCK_SIZE, 0);
    hash.update(bytes);
    if (sink.destroyed) return 'cut off';
    if (!sink.write(bytes)) {
      await new Promise((resolve) => sink.once('drain', resolve).once('close', resolve));
    }
  }
  sink.end();
  return hash.digest('hex');
}

async function drink(source: http.IncomingMessage): Promise<{ size: number; digest: string }> {
  const hash = createHash('sha256');
  let size = 0;
  source.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    size += chunk.length;
  });
  await new Promise((resolve) => source.once('end', resolve).once('close', resolve));
  return { size, digest: hash.digest('hex') };
}

let origin: HttpOrigin;
let proxy: Behind;
let poured = '';

test.before(async () => {
  origin = await startOrigin((request, response) => {
    if (request.method === 'GET') {
      const isSized = request.url === '/sized';
      response.writeHead(200, isSized ? { 'content-length': SIZE } : {});
      void pour(response).then((digest) => (poured = digest));
      return;
    }
    void drink(request).then((got) => response.end(JSON.stringify(got)));
  });
  proxy = await startInFrontOf(FILE, origin.port);
  await fetchFrom(proxy.port, '/warm', { method: 'POST', body: Buffer.alloc(8 * MEGABYTE) });
});

test.after(() => origin.close());

/** Runs `transfer` and checks the highest resident set seen meanwhile. */
async function withFlatMemory(transfer: () => Promise<void>): Promise<void> {
  const { pid } = proxy.subject.child;
  const before = treeUsage(pid).rssSize;
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, treeUsage(pid).rssSize);
  }, 50);
  try {
    await transfer();
  } finally {
    clearInterval(timer);
  }
  const growth = Math.max(highest, treeUsage(pid).rssSize) - before;
  assert.ok(
    growth <= GROWTH_MAX,
    `resident set grew by ${Math.round(growth / MEGABYTE)} MB over ${before / MEGABYTE} MB`,
  );
}

function request(method: string, path: string, headers: http.OutgoingHttpHeaders = {}) {
  return http.request({ host: '127.0.0.1', port: proxy.port, path, method, headers, agent: false });
}

for (const path of ['/sized', '/chunked']) {
  test(`large bodies: a ${path.slice(1)} download arrives whole in constant memory`, async () => {
    await withFlatMemory(async () => {
      poured = '';
      const outgoing = request('GET', path);
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve).once('error', reject).end();
      });
      const got = await drink(response);
      assert.equal(got.size, SIZE);
      assert.equal(got.digest, poured);
    });
  });
}

for (const headers of [{ 'content-length': SIZE }, { 'transfer-encoding': 'chunked' }]) {
  const kind = Object.keys(headers)[0] === 'content-length' ? 'sized' : 'chunked';
  test(`large bodies: a ${kind} upload arrives whole in constant memory`, async () => {
    await withFlatMemory(async () => {
      const outgoing = request('POST', '/upload', headers);
      const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve).once('error', reject);
      });
      const [sent, response] = await Promise.all([pour(outgoing), answer]);
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      assert.deepEqual(JSON.parse(Buffer.concat(chunks).toString()), { size: SIZE, digest: sent });
    });
  });
}
