/**
 * Micro-benchmark: nanoseconds per parse of a request head, per write of the forwarded head, and
 * per chunked body; and which way of copying is cheapest for which size.
 *
 * Run: node bench/micro/head-parse.ts. Figures are for comparing two versions on one machine.
 */

import { latin1Bytes } from '../../src/base/ascii.ts';
import { ChunkedDecoder } from '../../src/data/codec/h1/chunked-decoder.ts';
import { parseRequestHead } from '../../src/data/codec/h1/request-parser.ts';
import { parseResponseHead } from '../../src/data/codec/h1/response-parser.ts';
import { HeadWriter } from '../../src/data/codec/h1/writer.ts';
import { type H1Limits, RequestHead, ResponseHead } from '../../src/data/codec/head.ts';

const BLOCK = 50;

const limits: H1Limits = {
  headSizeMax: 32_768,
  fieldCountMax: 100,
  targetSizeMax: 8_192,
  chunkExtensionSizeMax: 16_384,
  trailerSizeMax: 8_192,
};

const MINIMAL = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const LOAD_TOOL =
  'GET /api/items?id=42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n' +
  'User-Agent: load/1.0\r\nAccept: */*\r\n\r\n';
const BROWSER =
  'GET /shop/products/list?page=2&sort=price HTTP/1.1\r\n' +
  'Host: shop.example.com\r\n' +
  'Connection: keep-alive\r\n' +
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"\r\n' +
  'sec-ch-ua-mobile: ?0\r\n' +
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/140.0.0.0 Safari/537.36\r\n' +
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n' +
  'Sec-Fetch-Site: same-origin\r\n' +
  'Sec-Fetch-Mode: navigate\r\n' +
  'Referer: https://shop.example.com/shop/\r\n' +
  'Accept-Encoding: gzip, deflate, br, zstd\r\n' +
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n' +
  'Cookie: session=3f2a9c81d0b74e5f8a6c; theme=dark; consent=1\r\n\r\n';
const RESPONSE =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n' +
  'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n';

const VIA = latin1Bytes('via: 1.1 proxy\r\n');
const HOST = latin1Bytes('host: ');

/** Short, so that it is optimised as a function: a long loop would measure its own replacement. */
function runBlock(run: () => number): number {
  let sink = 0;
  for (let i = 0; i < BLOCK; i++) sink += run();
  return sink;
}

/** Prints the least and the median time of one call of `run`; the least is free of neighbours. */
function measure(name: string, count: number, run: () => number): void {
  let sink = 0;
  const blocks = Math.ceil(count / BLOCK);
  for (let i = 0; i < blocks * 2; i++) sink += runBlock(run);
  const times: number[] = [];
  for (let i = 0; i < blocks; i++) {
    const begin = process.hrtime.bigint();
    sink += runBlock(run);
    times.push(Number(process.hrtime.bigint() - begin) / BLOCK);
  }
  times.sort((a, b) => a - b);
  const least = times[0]!.toFixed(0).padStart(8);
  const median = times[blocks >> 1]!.toFixed(0).padStart(8);
  const note = sink === 0 ? ' (nothing done)' : '';
  process.stdout.write(`${name.padEnd(34)} ns: least${least}, median${median}${note}\n`);
}

function inBuffer(text: string): Buffer {
  return Buffer.concat([Buffer.alloc(32), Buffer.from(text, 'latin1'), Buffer.alloc(32)]);
}

function benchRequest(name: string, text: string): void {
  const bytes = inBuffer(text);
  const end = 32 + text.length;
  const head = new RequestHead(100);
  const out = Buffer.alloc(4_096);
  const writer = new HeadWriter();
  measure(`parse ${name} (${text.length} B)`, 200_000, () =>
    parseRequestHead(head, bytes, 32, end, limits),
  );
  measure(`write ${name}`, 200_000, () => {
    writer.begin(out, 0, out.length);
    const { methodStart, methodEnd, pathStart, pathEnd, queryStart, queryEnd } = head;
    writer.requestLine(
      bytes,
      methodStart,
      methodEnd,
      bytes,
      pathStart,
      pathEnd,
      bytes,
      queryStart,
      queryEnd,
    );
    writer.field(HOST, bytes, head.authorityStart, head.authorityEnd);
    writer.copyFields(head.fields, null);
    writer.line(VIA);
    writer.frameNone();
    return writer.finish();
  });
}

function benchResponse(): void {
  const bytes = inBuffer(RESPONSE);
  const head = new ResponseHead(100);
  measure(`parse response (${RESPONSE.length} B)`, 200_000, () =>
    parseResponseHead(head, bytes, 32, 32 + RESPONSE.length, false, limits),
  );
}

function benchChunks(chunkSize: number, chunkCount: number): void {
  const chunk = `${chunkSize.toString(16)}\r\n${'x'.repeat(chunkSize)}\r\n`;
  const bytes = Buffer.from(`${chunk.repeat(chunkCount)}0\r\n\r\n`, 'latin1');
  const fresh = Buffer.from(bytes);
  const decoder = new ChunkedDecoder(false);
  measure(`decode ${chunkCount} x ${chunkSize} B chunks`, 2_000, () => {
    bytes.set(fresh); // Decoding overwrites its input; copying it back is part of the figure.
    decoder.reset(limits, 0);
    return decoder.decode(bytes, 0, bytes.length);
  });
}

function benchCopy(size: number): void {
  const from = Buffer.alloc(4_096);
  const to = Buffer.alloc(4_096);
  measure(`copy ${size} B: loop`, 200_000, () => {
    for (let i = 0; i < size; i++) to[i] = from[i + 7]!;
    return 1;
  });
  measure(`copy ${size} B: set(subarray)`, 200_000, () => {
    to.set(from.subarray(7, 7 + size), 0);
    return 1;
  });
  measure(`copy ${size} B: copyWithin`, 200_000, () => {
    from.copyWithin(0, 7, 7 + size);
    return 1;
  });
}

benchRequest('minimal', MINIMAL);
benchRequest('load tool', LOAD_TOOL);
benchRequest('browser', BROWSER);
benchResponse();
benchChunks(1, 5_000);
benchChunks(4_096, 16);
for (const size of [16, 64, 128, 256, 512, 1_024]) benchCopy(size);
