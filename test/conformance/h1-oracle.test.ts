/**
 * Oracle: whatever our HTTP/1 parsers accept, node's own parser must accept and read the same:
 * method, target, fields and body of requests; status, reason, fields and body of responses.
 *
 * Ours may be stricter, never laxer. Not compared, because node refuses what RFC 9112 allows:
 * methods it has no name for (§3.1), whitespace in chunk extensions (§7.1.1), a tab after `chunked`
 * (§5.1, node overlooks the coding), and a response with both Content-Length and chunked, which we
 * read as chunked and whose connection we then close (§6.3 rule 3).
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { ChunkedDecoder, ChunkedState } from '../../src/data/codec/h1/chunked-decoder.ts';
import { parseRequestHead } from '../../src/data/codec/h1/request-parser.ts';
import { parseResponseHead } from '../../src/data/codec/h1/response-parser.ts';
import {
  type FieldTable,
  Framing,
  type H1Limits,
  RequestHead,
  ResponseHead,
} from '../../src/data/codec/head.ts';

const CASES = 400;
const limits: H1Limits = {
  headSizeMax: 8_192,
  fieldCountMax: 100,
  targetSizeMax: 4_096,
  chunkExtensionSizeMax: 4_096,
  trailerSizeMax: 4_096,
};

/** One message as some parser read it; text is latin-1. */
interface Message {
  /** Method and target, or status and reason. */
  start: string[];
  fields: string[];
  body: string;
}

function fieldsOf(table: FieldTable): string[] {
  const fields: string[] = [];
  for (let i = 0; i < table.count; i++) fields.push(table.nameText(i), table.valueText(i));
  return fields;
}

/** Our reading of the body that begins at `from`; null unless it is complete and valid. */
function readBody(bytes: Buffer, from: number, framing: Framing, size: number): string | null {
  if (framing === Framing.none) return '';
  if (framing === Framing.close) return bytes.toString('latin1', from);
  if (framing === Framing.length) {
    return bytes.length - from < size ? null : bytes.toString('latin1', from, from + size);
  }
  const decoder = new ChunkedDecoder(false);
  decoder.reset(limits, 0);
  const copy = Buffer.from(bytes);
  if (decoder.decode(copy, from, copy.length) !== ChunkedState.done) return null;
  return copy.toString('latin1', decoder.dataStart, decoder.dataEnd);
}

/** Our reading of a request; null when it is rejected or incomplete. */
function readRequest(bytes: Buffer): Message | null {
  const head = new RequestHead(100);
  const end = parseRequestHead(head, bytes, 0, bytes.length, limits);
  if (end <= 0) return null;
  const body = readBody(bytes, end, head.framing, head.contentLength);
  if (body === null) return null;
  const targetEnd = bytes.indexOf(' ', head.targetStart, 'latin1');
  const target = bytes.toString('latin1', head.targetStart, targetEnd);
  return { start: [head.methodText(), target], fields: fieldsOf(head.fields), body };
}

/** Our reading of a response to GET; null when it is rejected, incomplete or followed by more. */
function readResponse(bytes: Buffer): Message | null {
  const head = new ResponseHead(100);
  const end = parseResponseHead(head, bytes, 0, bytes.length, false, limits);
  if (end <= 0 || head.status < 200) return null;
  if (head.framing === Framing.none && end < bytes.length) return null;
  if (head.framing === Framing.length && bytes.length - end > head.contentLength) return null;
  const body = readBody(bytes, end, head.framing, head.contentLength);
  if (body === null) return null;
  const reason = bytes.toString('latin1', head.reasonStart, head.reasonEnd);
  return { start: [String(head.status), reason], fields: fieldsOf(head.fields), body };
}

function collect(message: http.IncomingMessage, start: string[], found: Message[]): void {
  let body = '';
  message.setEncoding('latin1');
  message.on('data', (text: string) => (body += text));
  message.on('end', () => found.push({ start, fields: message.rawHeaders, body }));
}

/** Runs `use` with node's reading of requests: what it accepted first on a connection, or null. */
async function withNodeServer(
  use: (read: (bytes: Buffer) => Promise<Message | null>) => Promise<void>,
): Promise<void> {
  let found: Message[] = [];
  const server = http.createServer((request, response) => {
    collect(request, [request.method ?? '', request.url ?? ''], found);
    request.on('end', () => response.end());
  });
  server.on('checkExpectation', (_request, response: http.ServerResponse) => response.end());
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  try {
    await use(async (bytes) => {
      found = [];
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {}); // A rejected request may be answered by a reset.
      socket.resume();
      socket.end(bytes);
      await once(socket, 'close');
      return found[0] ?? null;
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Runs `use` with node's reading of responses to GET. */
async function withNodeClient(
  use: (read: (bytes: Buffer) => Promise<Message | null>) => Promise<void>,
): Promise<void> {
  let answer = Buffer.alloc(0);
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  try {
    await use(async (bytes) => {
      answer = Buffer.from(bytes);
      const found: Message[] = [];
      const request = http.get({ port, host: '127.0.0.1', agent: false });
      request.on('response', (response) => {
        response.on('error', () => {});
        collect(response, [String(response.statusCode), response.statusMessage ?? ''], found);
      });
      request.on('error', () => {});
      await new Promise<void>((resolve) => {
        request.on('close', resolve);
      });
      return found[0] ?? null;
    });
  } finally {
    server.close();
  }
}

const octets = fc.stringMatching(/^[ -~\xa0-\xff]{0,30}$/);
const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
const fieldLine = fc
  .tuple(token, fc.constantFrom('', ' ', '\t', '  '), octets)
  .map(([name, space, value]) => `X-${name}:${space}${value}${space}\r\n`);
const chunk = fc
  .tuple(fc.stringMatching(/^[ -~\r\n]{1,40}$/), fc.constantFrom('', ';a', ';a=b', ';a="b;\\"c"'))
  .map(([data, extension]) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`);
const framedBody = fc.oneof(
  fc.constant(['', '']),
  fc
    .string({ maxLength: 40, unit: 'binary-ascii' })
    .map((body) => [`Content-Length: ${body.length}\r\n`, body]),
  fc
    .tuple(fc.array(chunk, { maxLength: 4 }), fc.constantFrom('', 'X-T: a\r\n'))
    .map(([chunks, trailers]) => [
      'Transfer-Encoding: chunked\r\n',
      `${chunks.join('')}0\r\n${trailers}\r\n`,
    ]),
);
const oddLine = fc.constantFrom(
  '',
  'Connection: close\r\n',
  'Connection: keep-alive, x-a\r\n',
  'TE: trailers\r\n',
  'Content_Length: 3\r\n',
  '__proto__: a\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Upgrade: h2c\r\n',
);
const anyRequest = fc
  .record({
    lead: fc.constantFrom('', '\r\n'),
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD', 'PROPFIND'),
    target: fc.oneof(
      fc.stringMatching(/^\/[!-"$-[\]-~]{0,30}$/),
      fc.constantFrom('*', 'http://a.test/x?y', 'https://a.test', 'http://[::1]:80?q', '/a?b?c'),
    ),
    version: fc.constantFrom('1.1', '1.1', '1.0'),
    fields: fc.array(fieldLine, { maxLength: 6 }),
    odd: oddLine,
    body: framedBody,
  })
  .map(({ lead, method, target, version, fields, odd, body }) => {
    const lines = `Host: a.test\r\n${fields.join('')}${odd}${body[0]}`;
    return `${lead}${method} ${target} HTTP/${version}\r\n${lines}\r\n${body[1]}`;
  });
const anyResponse = fc
  .record({
    version: fc.constantFrom('1.1', '1.1', '1.0'),
    status: fc.constantFrom(200, 200, 204, 304, 404, 599, 299),
    reason: fc.constantFrom(' OK', ' ', '', ' Not Found', ' F\xfcr'),
    fields: fc.array(fieldLine, { maxLength: 6 }),
    odd: oddLine,
    body: framedBody,
  })
  .map(({ version, status, reason, fields, odd, body }) => {
    const lines = `${fields.join('')}${odd}${body[0]}`;
    return `HTTP/${version} ${status}${reason}\r\n${lines}\r\n${body[1]}`;
  });

const OCTETS = [...'\r\n\t \0\x01\x7f\x80\xff:;,"=\\/?#@*%0159aAfFxX_-+']; // Likely to matter.

/** Messages, and messages with one or two octets replaced, removed or inserted. */
function corpus(messages: fc.Arbitrary<string>): Buffer[] {
  const edit = fc.tuple(fc.nat(), fc.constantFrom(...OCTETS, ''), fc.boolean());
  const edited = fc.tuple(messages, fc.array(edit, { maxLength: 2 })).map(([text, edits]) => {
    let result = text;
    for (const [where, octet, replaces] of edits) {
      const at = where % result.length;
      result = result.slice(0, at) + octet + result.slice(replaces ? at + 1 : at);
    }
    return Buffer.from(result, 'latin1');
  });
  return fc.sample(edited, CASES);
}

/** True for what node refuses although RFC 9112 allows it. */
function isBeyondNode(message: Message, bytes: Buffer): boolean {
  const method = message.start[0]!;
  const isResponse = /^\d{3}$/.test(method);
  if (!isResponse && !http.METHODS.includes(method)) return true;
  if (!message.fields.some((text) => /^chunked$/i.test(text))) return false;
  const hasLength = message.fields.some((text) => /^content-length$/i.test(text));
  if (isResponse && hasLength) return true;
  const text = bytes.toString('latin1');
  if (/\ntransfer-encoding:[^\r]*\t/i.test(text)) return true;
  return /(^|\n)[0-9a-f]+([ \t]|;[^\r]*[ \t])/i.test(text);
}

async function compare(
  bytes: Buffer[],
  ours: (bytes: Buffer) => Message | null,
  nodes: (bytes: Buffer) => Promise<Message | null>,
): Promise<void> {
  let accepted = 0;
  let rejected = 0;
  for (const input of bytes) {
    const expected = ours(input);
    if (expected === null) {
      rejected++;
      continue;
    }
    if (isBeyondNode(expected, input)) continue;
    accepted++;
    const text = JSON.stringify(input.toString('latin1'));
    assert.deepEqual(await nodes(input), expected, `node reads it differently: ${text}`);
  }
  assert.ok(accepted > CASES / 4, `only ${accepted} messages were compared`);
  assert.ok(rejected > CASES / 20, `only ${rejected} messages were rejected`);
}

test('h1 oracle: node reads every request that we accept in the same way', async () => {
  await withNodeServer((read) => compare(corpus(anyRequest), readRequest, read));
});

test('h1 oracle: node reads every response that we accept in the same way', async () => {
  await withNodeClient((read) => compare(corpus(anyResponse), readResponse, read));
});
