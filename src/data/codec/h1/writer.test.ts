import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { latin1Bytes } from '../../../base/ascii.ts';
import { Field, FIELD_INDEX_MAX } from '../field.ts';
import { Framing, type H1Limits, RequestHead, ResponseHead } from '../head.ts';
import { ChunkedDecoder, ChunkedState } from './chunked-decoder.ts';
import { parseRequestHead } from './request-parser.ts';
import { parseResponseHead } from './response-parser.ts';
import { chunkHeaderBefore, HeadWriter, LAST_CHUNK, writeChunkTail } from './writer.ts';

const limits: H1Limits = {
  headSizeMax: 4_096,
  fieldCountMax: 50,
  targetSizeMax: 512,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};
const NONE = new Uint8Array(0);
const HOST = latin1Bytes('host: ');
const NAME = latin1Bytes('x-a: ');

/** Runs `write` on a writer with `room` bytes; the bytes around the room must stay untouched. */
function write(fill: (writer: HeadWriter) => void, room = 4_096): { end: number; text: string } {
  const bytes = Buffer.alloc(room + 6, 0xee);
  const writer = new HeadWriter();
  writer.begin(bytes, 3, 3 + room);
  fill(writer);
  const end = writer.finish();
  assert.equal(bytes.toString('hex', 0, 3), 'eeeeee');
  assert.equal(bytes.toString('hex', 3 + room), 'eeeeee');
  return { end, text: end < 0 ? '' : bytes.toString('latin1', 3, end) };
}

function parse(text: string): RequestHead {
  const head = new RequestHead(50);
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(parseRequestHead(head, bytes, 0, bytes.length, limits), bytes.length, text);
  return head;
}

/** Forwards a parsed request as an exchange does. */
function forward(head: RequestHead, room = 4_096): { end: number; text: string } {
  const bytes = head.bytes;
  return write((writer) => {
    writer.requestLine(
      bytes,
      head.methodStart,
      head.methodEnd,
      bytes,
      head.pathStart,
      head.pathEnd,
      bytes,
      head.queryStart,
      head.queryEnd,
    );
    writer.field(HOST, bytes, head.authorityStart, head.authorityEnd);
    writer.copyFields(head.fields, null);
    if (head.framing === Framing.length) writer.frameLength(head.contentLength);
    else if (head.framing === Framing.chunked) writer.frameChunked();
    else writer.frameNone();
  }, room);
}

test('writer: forwards a request with one Host and one canonical framing', () => {
  const head = parse(
    'POST http://b.test?q HTTP/1.0\r\nHost: a.test\r\nX-A:  1 \r\nContent-Length: 0010\r\n' +
      'Connection: x-b, keep-alive\r\nX-B: 2\r\nX-C: 3\r\nKeep-Alive: 5\r\n\r\n',
  );
  assert.equal(
    forward(head).text,
    'POST /?q HTTP/1.1\r\nhost: b.test\r\nX-A:  1 \r\nX-C: 3\r\ncontent-length: 10\r\n\r\n',
  );
});

test('writer: frames a chunked body, whatever the method', () => {
  const head = parse('DELETE /a? HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n');
  assert.equal(
    forward(head).text,
    'DELETE /a? HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n',
  );
});

test('writer: skips fields by id, first, last and in between', () => {
  const text =
    'Via: a\r\nX-1: b\r\nX-2: c\r\nX-Forwarded-For: d\r\nX-3: e\r\n' +
    'X-Forwarded-Proto: f\r\nVia: g\r\n';
  const head = parse(`GET / HTTP/1.0\r\n${text}\r\n`);
  const skip = new Uint8Array(FIELD_INDEX_MAX);
  for (const id of [Field.via, Field.xForwardedFor, Field.xForwardedProto]) skip[id] = 1;
  const { text: found } = write((writer) => {
    writer.copyFields(head.fields, skip);
    writer.frameNone();
  });
  assert.equal(found, 'X-1: b\r\nX-2: c\r\nX-3: e\r\n\r\n');
  const all = write((writer) => {
    writer.copyFields(head.fields, null);
    writer.frameNone();
  });
  assert.equal(all.text, `${text}\r\n`);
});

test('writer: copies runs of any size', () => {
  for (const size of [1, 40, 380, 400, 2_000]) {
    const head = parse(`GET / HTTP/1.0\r\nX: ${'v'.repeat(size)}\r\n\r\n`);
    const { text } = write((writer) => {
      writer.copyFields(head.fields, null);
      writer.frameNone();
    });
    assert.equal(text, `X: ${'v'.repeat(size)}\r\n\r\n`);
  }
});

test('writer: writes status lines, with the standard phrase when there is none', () => {
  const own = latin1Bytes('F\xfcr');
  const rows: [number, Uint8Array, string][] = [
    [200, NONE, 'HTTP/1.1 200 OK\r\n\r\n'],
    [404, own, 'HTTP/1.1 404 F\xfcr\r\n\r\n'],
    [299, NONE, 'HTTP/1.1 299 \r\n\r\n'],
    [100, NONE, 'HTTP/1.1 100 Continue\r\n\r\n'],
    [599, NONE, 'HTTP/1.1 599 \r\n\r\n'],
  ];
  for (const [status, reason, expected] of rows) {
    const { text } = write((writer) => {
      writer.statusLine(status, reason, 0, reason.length);
      writer.frameNone();
    });
    assert.equal(text, expected);
  }
});

test('writer: a status outside 100 to 599 is never sent', () => {
  for (const status of [0, 99, 600, 1_000]) {
    const { end } = write((writer) => {
      writer.statusLine(status, NONE, 0, 0);
      writer.frameNone();
    });
    assert.equal(end, -1);
  }
});

test('writer: text that could end a line early is never sent', () => {
  for (const bad of ['a\rb', 'a\nb', 'a\0b', '\x7f', '\x01', 'a\u010ab', '\r\n']) {
    const writer = new HeadWriter();
    const bytes = Buffer.alloc(100);
    writer.begin(bytes, 0, 100);
    writer.fieldText(NAME, bad);
    writer.frameNone();
    assert.equal(writer.finish(), -1, JSON.stringify(bad));
    assert.deepEqual([writer.isInvalid, writer.hasOverflow], [true, false]);

    const raw = Buffer.from(bad, 'latin1');
    if (raw.toString('latin1') !== bad) continue;
    assert.equal(
      write((other) => {
        other.field(NAME, raw, 0, raw.length);
        other.frameNone();
      }).end,
      -1,
    );
    assert.equal(
      write((other) => {
        other.statusLine(200, raw, 0, raw.length);
        other.frameNone();
      }).end,
      -1,
    );
  }
});

test('writer: a request line of empty parts or with spaces is never sent', () => {
  const good = latin1Bytes('GET/a');
  const bad = latin1Bytes('a b\r\n');
  const line = (path: Uint8Array, from: number, to: number, query: Uint8Array): number =>
    write((writer) => {
      writer.requestLine(good, 0, 3, path, from, to, query, 0, query.length);
      writer.frameNone();
    }).end;
  assert.ok(line(good, 3, 5, NONE) > 0);
  assert.equal(line(good, 3, 3, NONE), -1);
  assert.equal(line(bad, 0, 3, NONE), -1);
  assert.equal(line(good, 3, 5, bad), -1);
});

test('writer: forgets an earlier overflow or bad text when it begins again', () => {
  const writer = new HeadWriter();
  const bytes = Buffer.alloc(40);
  for (const text of ['x'.repeat(60), '\n', 'ok']) {
    writer.begin(bytes, 0, 40);
    writer.fieldText(NAME, text);
    writer.frameNone();
    assert.equal(writer.finish(), text === 'ok' ? 11 : -1);
  }
});

test('writer: framing is said exactly once', () => {
  const writer = new HeadWriter();
  const bytes = Buffer.alloc(100);
  writer.begin(bytes, 0, 100);
  assert.throws(() => writer.finish(), /framed/);
  writer.frameLength(1);
  assert.throws(() => writer.frameChunked(), /framed once/);
  assert.throws(() => writer.frameNone(), /framed once/);
  assert.throws(() => writer.frameLength(1), /framed once/);
});

test('writer: any number is written in canonical decimal', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (size) => {
      const { text } = write((writer) => writer.frameLength(size));
      assert.equal(text, `content-length: ${size}\r\n\r\n`);
    }),
  );
  for (const size of [0, 9, 10, 99, 100, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    const { text } = write((writer) => writer.frameLength(size));
    assert.equal(text, `content-length: ${size}\r\n\r\n`);
  }
});

const value = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/).map((text) => `Q-${text}`);
const anyRequest = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PATCH', 'X-YZ'),
    path: fc.stringMatching(/^\/[a-z0-9/%._-]{0,30}$/),
    query: fc.constantFrom('', '?', '?a=b', '?a?b/c'),
    fields: fc.array(fc.tuple(name, value), { maxLength: 8 }),
    hop: fc.constantFrom('', 'Connection: close\r\n', 'TE: x\r\n', 'Keep-Alive: 1\r\n'),
    framing: fc.constantFrom('', 'Content-Length: 007\r\n', 'Transfer-Encoding: chunked\r\n'),
  })
  .map(({ method, path, query, fields, hop, framing }) => {
    const lines = fields.map(([key, text]) => `${key}: ${text}\r\n`);
    lines.splice(lines.length >> 1, 0, hop, framing);
    return `${method} ${path}${query} HTTP/1.1\r\nHost: a.test\r\n${lines.join('')}\r\n`;
  });

test('writer: serialise(parse(x)) is stable, and keeps what is end-to-end', () => {
  fc.assert(
    fc.property(anyRequest, (text) => {
      const once = forward(parse(text)).text;
      const head = parse(once);
      assert.equal(forward(head).text, once);
      const lines = text.split('\r\n').filter((line) => line.startsWith('Q-'));
      for (const line of lines) assert.ok(once.includes(`\r\n${line}\r\n`), line);
      assert.equal(head.framing, parse(text).framing);
      assert.equal(head.contentLength, parse(text).contentLength);
    }),
    { numRuns: 500 },
  );
});

test('writer: whatever the room, it fits exactly or says -1 and writes nothing outside', () => {
  fc.assert(
    fc.property(anyRequest, fc.nat(600), (text, room) => {
      const head = parse(text);
      const size = forward(head).text.length;
      assert.equal(forward(head, room).end >= 0, room >= size);
      assert.equal(forward(head, size).text.length, size);
    }),
    { numRuns: 500 },
  );
});

test('writer: a response copied from the origin parses as the same response', () => {
  const bytes = Buffer.from(
    'HTTP/1.0 404 Nope\r\nSet-Cookie: a\r\nConnection: close\r\nSet-Cookie: b\r\n' +
      'Content-Length: 3\r\n\r\n',
  );
  const head = new ResponseHead(10);
  parseResponseHead(head, bytes, 0, bytes.length, false, limits);
  const { text } = write((writer) => {
    writer.statusLine(head.status, bytes, head.reasonStart, head.reasonEnd);
    writer.copyFields(head.fields, null);
    writer.line(latin1Bytes('via: 1.0 x\r\n'));
    writer.frameLength(head.contentLength);
  });
  assert.equal(
    text,
    'HTTP/1.1 404 Nope\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nvia: 1.0 x\r\n' +
      'content-length: 3\r\n\r\n',
  );
});

test('writer: chunks written around data decode to the same data', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 }),
      (parts) => {
        const sent: Buffer[] = [];
        for (const [index, part] of parts.entries()) {
          const chunk = Buffer.alloc(part.length + 64);
          chunk.set(part, 32);
          const start = chunkHeaderBefore(chunk, 32, part.length);
          const isLast = index === parts.length - 1;
          const end = writeChunkTail(chunk, 32 + part.length, isLast);
          sent.push(chunk.subarray(start, end));
        }
        if (parts.length === 0) sent.push(Buffer.from(LAST_CHUNK));
        const bytes = Buffer.concat(sent);
        const decoder = new ChunkedDecoder(true);
        decoder.reset(limits, 0);
        assert.equal(decoder.decode(bytes, 0, bytes.length), ChunkedState.done);
        assert.equal(decoder.position, bytes.length);
        const data = bytes.subarray(decoder.dataStart, decoder.dataEnd);
        assert.deepEqual(data, Buffer.concat(parts));
      },
    ),
  );
});

test('writer: the size line of the largest chunk fits in 16 bytes', () => {
  const bytes = Buffer.alloc(16);
  const start = chunkHeaderBefore(bytes, 16, Number.MAX_SAFE_INTEGER);
  assert.equal(bytes.toString('latin1', start), '1fffffffffffff\r\n');
});

test('writer: a chunk of no bytes is refused, for it would end the body', () => {
  assert.throws(() => chunkHeaderBefore(Buffer.alloc(32), 16, 0), /end the body/);
});
