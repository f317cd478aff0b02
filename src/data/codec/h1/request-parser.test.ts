import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { latin1Text } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Framing, type H1Limits, Method, RequestHead, TargetForm } from '../head.ts';
import { parseRequestHead } from './request-parser.ts';

const limits: H1Limits = {
  headSizeMax: 1_024,
  fieldCountMax: 20,
  targetSizeMax: 128,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n';
const POST = 'POST /z HTTP/1.1\r\nHost: a.test\r\n';

interface Parsed {
  head: RequestHead;
  result: number;
}

function parse(text: string, with_: H1Limits = limits): Parsed {
  const head = new RequestHead(100);
  const bytes = Buffer.from(`##${text}`, 'latin1');
  const result = parseRequestHead(head, bytes, 2, bytes.length, with_);
  return { head, result };
}

function accept(text: string): RequestHead {
  const { head, result } = parse(text);
  assert.ok(result > 0, `${JSON.stringify(text)} was rejected or incomplete: ${result}`);
  assert.equal(head.fault, Fault.none);
  assert.equal(head.end, result);
  return head;
}

function faultOf(text: string): Fault {
  const { head, result } = parse(text);
  assert.equal(result, -head.fault);
  return head.fault;
}

/** Everything a reader of a head may look at, offsets as text. */
function summary(head: RequestHead): unknown {
  const part = (start: number, end: number): string =>
    start < 0 ? '-' : latin1Text(head.bytes, start, end);
  const fields: unknown[] = [];
  for (let i = 0; i < head.fields.count; i++) {
    const { id, isHop } = head.fields;
    fields.push([head.fields.nameText(i), head.fields.valueText(i), id[i], isHop[i]]);
  }
  return {
    method: head.methodText(),
    form: head.targetForm,
    authority: part(head.authorityStart, head.authorityEnd),
    path: part(head.pathStart, head.pathEnd),
    query: part(head.queryStart, head.queryEnd),
    minor: head.versionMinor,
    framing: head.framing,
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    flags: [head.expectsContinue, head.upgradesWebsocket, head.wantsTrailers],
    fields,
  };
}

// Each row: RFC section, bytes, fault. A head in a row ends where its fault must be known.
const REJECTED: readonly (readonly [string, string, Fault])[] = [
  // Request line.
  ['RFC 9112 §2.2: more than two empty lines', '\r\n\r\n\r', Fault.requestMalformed],
  ['RFC 9112 §2.2: bare LF before the line', '\n', Fault.requestMalformed],
  ['RFC 9112 §2.2: CR without LF before the line', '\rG', Fault.requestMalformed],
  ['RFC 9112 §2.2: whitespace before the line', ' ', Fault.requestMalformed],
  ['RFC 9112 §3: TLS ClientHello', '\x16', Fault.requestMalformed],
  ['RFC 9112 §3.1: method is a token', 'GE{', Fault.requestMalformed],
  ['RFC 9112 §3.1: obs-text in the method', 'G\xc9', Fault.requestMalformed],
  ['RFC 9112 §3: tab after the method', 'GET\t', Fault.requestMalformed],
  ['RFC 9112 §3: line ends after the method', 'GET\r', Fault.requestMalformed],
  ['RFC 9112 §3: two spaces before the target', 'GET  ', Fault.requestTargetInvalid],
  ['RFC 9110 §9.1: method longer than 32', 'A'.repeat(33), Fault.requestMethodUnsupported],
  ['RFC 9110 §9.3.6: CONNECT', 'CONNECT ', Fault.requestMethodUnsupported],
  ['RFC 9110 §9.3.8: TRACE', 'TRACE ', Fault.requestMethodNotAllowed],
  ['RFC 9113 §3.4: HTTP/2 preface', 'PRI *', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.4: asterisk without OPTIONS', 'GET *', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.4: more than an asterisk', 'OPTIONS *a', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.1: no slash', 'GET a', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.1: query without path', 'GET ?', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2: fragment', 'GET /a#', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2: fragment after query', 'GET /a?b#', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: tab in path', 'GET /\t', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: NUL in path', 'GET /\0', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: DEL in path', 'GET /\x7f', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: obs-text in path', 'GET /\x80', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: obs-text in query', 'GET /?\xff', Fault.requestTargetInvalid],
  ['RFC 3986 §3.3: backslash in path', 'GET /a\\', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.2: other scheme', 'GET f', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.2: half a scheme', 'GET http:/a', Fault.requestTargetInvalid],
  ['RFC 9112 §3.2.2: httpx', 'GET httpx', Fault.requestTargetInvalid],
  ['RFC 9110 §4.2.1: empty authority', 'GET http:///', Fault.requestTargetInvalid],
  ['RFC 9110 §4.2.4: userinfo', 'GET http://u@', Fault.requestTargetInvalid],
  ['RFC 3986 §3.2: backslash in authority', 'GET http://a\\', Fault.requestTargetInvalid],
  ['RFC 9112 §2.3: HTTP/0.9', 'GET /\r', Fault.requestTargetInvalid],
  ['RFC 9112 §2.3: HTTP/0.9 with a space', 'GET / \r', Fault.requestMalformed],
  ['RFC 9112 §2.3: lower case', 'GET / h', Fault.requestMalformed],
  ['RFC 9112 §2.3: no minor version', 'GET / HTTP/1\r', Fault.requestMalformed],
  ['RFC 9112 §2.3: two digits', 'GET / HTTP/11', Fault.requestMalformed],
  ['RFC 9112 §2.3: two minor digits', 'GET / HTTP/1.10', Fault.requestMalformed],
  ['RFC 9112 §3: space after the version', 'GET / HTTP/1.1 ', Fault.requestMalformed],
  ['RFC 9112 §3: two spaces before the version', 'GET /  ', Fault.requestMalformed],
  ['RFC 9112 §2.2: bare LF ends the line', 'GET / HTTP/1.1\n', Fault.requestMalformed],
  ['RFC 9112 §2.2: bare CR ends the line', 'GET / HTTP/1.1\rH', Fault.requestMalformed],
  ['RFC 9110 §15.6.6: HTTP/2.0', 'GET / HTTP/2.0', Fault.requestVersionUnsupported],
  ['RFC 9110 §15.6.6: HTTP/9.9', 'GET / HTTP/9.9', Fault.requestVersionUnsupported],
  ['RFC 9110 §15.6.6: HTTP/0.9 spelt out', 'GET / HTTP/0.9', Fault.requestVersionUnsupported],
  ['RFC 9110 §2.5: HTTP/1.2', 'GET / HTTP/1.2', Fault.requestVersionUnsupported],
  // Field lines.
  [
    'RFC 9112 §2.2: whitespace before the first field',
    `GET / HTTP/1.1\r\n `,
    Fault.requestMalformed,
  ],
  ['RFC 9112 §5.1: space before the colon', `${GET}A :`.slice(0, -1), Fault.requestMalformed],
  ['RFC 9112 §5.1: tab before the colon', `${GET}A\t`, Fault.requestMalformed],
  ['RFC 9110 §5.1: empty name', `${GET}:`, Fault.requestMalformed],
  ['RFC 9110 §5.6.2: name is a token', `${GET}A(`, Fault.requestMalformed],
  ['RFC 9110 §5.6.2: obs-text in a name', `${GET}A\xe9`, Fault.requestMalformed],
  ['RFC 9112 §5: no colon', `${POST}Transfer-\r`, Fault.requestMalformed],
  ['RFC 9112 §5.2: folded line', `${GET}A: b\r\n `, Fault.requestMalformed],
  ['RFC 9112 §5.2: folded with a tab', `${GET}A: b\r\n\t`, Fault.requestMalformed],
  ['RFC 9112 §5.2: folded at once', `${POST}Transfer-Encoding:\r\n `, Fault.requestMalformed],
  ['RFC 9112 §2.2: bare LF in a value', `${GET}X: y\n`, Fault.requestMalformed],
  ['RFC 9112 §2.2: bare CR in a value', `${GET}X: y\rT`, Fault.requestMalformed],
  ['RFC 9112 §2.2: CR CR LF', `${GET}X: y\r\r`, Fault.requestMalformed],
  ['RFC 9110 §5.5: NUL in a value', `${GET}X: a\0`, Fault.requestMalformed],
  ['RFC 9110 §5.5: 0x01 in a value', `${GET}X: a\x01`, Fault.requestMalformed],
  ['RFC 9110 §5.5: BEL in a value', `${GET}X: \x07`, Fault.requestMalformed],
  ['RFC 9110 §5.5: DEL in a value', `${GET}X: a\x7f`, Fault.requestMalformed],
  ['RFC 9112 §2.1: CR CR ends the head', `${GET}\r\r`, Fault.requestMalformed],
  ['RFC 9112 §2.1: CR and a letter end the head', `${GET}\rZ`, Fault.requestMalformed],
  ['RFC 9112 §2.1: LF ends the head', `${GET}\n`, Fault.requestMalformed],
];

for (const [why, text, fault] of REJECTED) {
  test(`request: rejects at once when ${why}`, () => {
    assert.equal(faultOf(text), fault);
    const shorter = parse(text.slice(0, -1)).result;
    assert.equal(shorter, 0, 'one byte earlier more bytes are needed');
  });
}

test('request: knows each method in exact case only (RFC 9110 §9.1)', () => {
  for (const [name, method] of Object.entries(Method)) {
    if (name === 'other' || name === 'trace' || name === 'connect') continue;
    const text = name.toUpperCase();
    assert.equal(accept(`${text} / HTTP/1.1\r\nHost: a\r\n\r\n`).method, method);
    for (const odd of [text.toLowerCase(), `${text}X`, text.slice(0, -1), `X${text}`]) {
      const head = accept(`${odd} / HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.equal(head.method, Method.other, odd);
      assert.equal(head.methodText(), odd);
    }
  }
  assert.equal(accept(`${'A'.repeat(32)} / HTTP/1.1\r\nHost: a\r\n\r\n`).method, Method.other);
});

test('request: skips one and two empty lines (RFC 9112 §2.2)', () => {
  assert.equal(accept(`\r\n${GET}\r\n`).methodText(), 'GET');
  assert.equal(accept(`\r\n\r\n${GET}\r\n`).methodText(), 'GET');
  assert.equal(parse('\r\n').result, 0);
});

test('request: splits every form of target (RFC 9112 §3.2)', () => {
  const rows: [string, TargetForm, string, string, string][] = [
    ['GET /a/b', TargetForm.origin, 'h.test', '/a/b', '-'],
    ['GET /a?', TargetForm.origin, 'h.test', '/a', ''],
    ['GET /a?b?c/\\', TargetForm.origin, 'h.test', '/a', 'b?c/\\'],
    ['GET //a//b', TargetForm.origin, 'h.test', '//a//b', '-'],
    ['GET http://A.test:8/p?q', TargetForm.absolute, 'A.test:8', '/p', 'q'],
    ['GET hTTps://a.test/', TargetForm.absolute, 'a.test', '/', '-'],
    ['GET http://[::1]', TargetForm.absolute, '[::1]', '/', '-'],
    ['GET http://a?q', TargetForm.absolute, 'a', '/', 'q'],
    ['OPTIONS *', TargetForm.asterisk, 'h.test', '*', '-'],
    ['OPTIONS http://a', TargetForm.asterisk, 'a', '/', '-'],
    ['OPTIONS http://a/', TargetForm.absolute, 'a', '/', '-'],
  ];
  for (const [line, form, authority, path, query] of rows) {
    const head = accept(`${line} HTTP/1.1\r\nHost: h.test\r\n\r\n`);
    const found = summary(head) as Record<string, unknown>;
    assert.deepEqual(
      [found.form, found.authority, found.path, found.query],
      [form, authority, path, query],
      line,
    );
  }
});

test('request: trims values and keeps inner and obs-text octets (RFC 9110 §5.5)', () => {
  const head = accept(`${GET}A: \t x\ty \xe9\t \r\nB:\r\nC:  \t\r\n\r\n`);
  assert.equal(head.fields.valueText(1), 'x\ty \xe9');
  assert.equal(head.fields.valueText(2), '');
  assert.equal(head.fields.valueText(3), '');
});

test('request: a field named like an object member is a field', () => {
  const head = accept(`${GET}__proto__: a\r\nconstructor: b\r\ntoString: c\r\n\r\n`);
  assert.deepEqual(
    [1, 2, 3].map((i) => head.fields.valueText(i)),
    ['a', 'b', 'c'],
  );
});

test('request: stops at the end of its head, and goes on with the next one', () => {
  const bytes = Buffer.from(`${POST}Content-Length: 2\r\n\r\nhi${GET}\r\n`, 'latin1');
  const head = new RequestHead(10);
  const first = parseRequestHead(head, bytes, 0, bytes.length, limits);
  assert.equal(bytes.toString('latin1', first, first + 2), 'hi');
  const second = parseRequestHead(head, bytes, first + 2, bytes.length, limits);
  assert.equal(second, bytes.length);
  assert.equal(head.method, Method.get);
  assert.equal(head.framing, Framing.none);
});

test('request: a finished head begins anew where the next one starts at the same offset', () => {
  const head = new RequestHead(10);
  const bytes = Buffer.alloc(100);
  for (const [text, fault] of [
    [`${GET}\r\n`, Fault.none],
    ['GET x', Fault.requestTargetInvalid],
    [`${POST}\r\n`, Fault.none],
  ] as const) {
    bytes.write(text, 'latin1');
    const result = parseRequestHead(head, bytes, 0, text.length, limits);
    assert.equal(head.fault, fault);
    assert.equal(result, fault === Fault.none ? text.length : -fault);
  }
  assert.equal(head.method, Method.post);
  assert.equal(head.fields.count, 1);
});

test('request: limits are exact: at the ceiling it passes, one above it does not', () => {
  const target = `/${'a'.repeat(127)}`;
  accept(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.equal(faultOf(`GET ${target}a`), Fault.requestTargetTooLong);
  assert.equal(parse(`GET ${target}`).result, 0);
  assert.equal(faultOf(`GET http://${'a'.repeat(122)}`), Fault.requestTargetTooLong);

  const fields = 'A: b\r\n'.repeat(19);
  accept(`${GET}${fields}\r\n`);
  assert.equal(faultOf(`${GET}${fields}A`), Fault.requestFieldsTooMany);

  const room = 1_024 - GET.length - 'X: \r\n\r\n'.length;
  accept(`${GET}X: ${'x'.repeat(room)}\r\n\r\n`);
  assert.equal(faultOf(`${GET}X: ${'x'.repeat(room + 1)}\r\n\r\n`), Fault.requestHeadTooLarge);
  assert.equal(faultOf(`${GET}X: ${'x'.repeat(1_024)}`), Fault.requestHeadTooLarge);
});

test('request: a request line that fills the whole head limit is a long target', () => {
  const small = { ...limits, headSizeMax: 64 };
  const { head } = parse(`GET /${'a'.repeat(80)}`, small);
  assert.equal(head.fault, Fault.requestTargetTooLong);
});

test('request: a table smaller than the limit still never overflows', () => {
  const head = new RequestHead(2);
  const bytes = Buffer.from(`${GET}A: b\r\nC: d\r\n\r\n`, 'latin1');
  const result = parseRequestHead(head, bytes, 0, bytes.length, limits);
  assert.equal(result, -Fault.requestFieldsTooMany);
});

const SAMPLES = [
  `${POST}Content-Length: 5\r\nX-A:  b \r\nConnection: close, X-A\r\n\r\n`,
  'GET http://a.test:80/x?y=1 HTTP/1.1\r\nHost: b\r\nAccept: */*\r\n\r\n',
  '\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n',
  'PUT /u HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 09\r\n\r\n',
  ...REJECTED.map((row) => row[1]),
];

test('request: any split of the input gives the same result', () => {
  const sample = fc.constantFrom(...SAMPLES);
  fc.assert(
    fc.property(sample, fc.array(fc.nat(200), { maxLength: 8 }), (text, cuts) => {
      const whole = parse(text);
      const head = new RequestHead(100);
      const bytes = Buffer.from(`##${text}`, 'latin1');
      const ends = [...cuts.map((cut) => Math.min(bytes.length, cut + 2)), bytes.length];
      let result = 0;
      for (const end of ends.toSorted((a, b) => a - b)) {
        result = parseRequestHead(head, bytes, 2, end, limits);
        if (result !== 0) break;
      }
      assert.equal(result, whole.result);
      if (result > 0) assert.deepEqual(summary(head), summary(whole.head));
    }),
    { numRuns: 2_000 },
  );
});

test('request: bytes that arrive one by one are each looked at a bounded number of times', () => {
  const text = `${GET}X: ${'x'.repeat(600)}\r\nCookie: ${'c'.repeat(200)}\r\n\r\n`;
  let reads = 0;
  const bytes = new Proxy(Buffer.from(text, 'latin1'), {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
      const value: unknown = Reflect.get(target, key, target);
      return value;
    },
  });
  const head = new RequestHead(100);
  let result = 0;
  for (let end = 1; end <= text.length; end++) {
    result = parseRequestHead(head, bytes, 0, end, limits);
  }
  assert.equal(result, text.length);
  assert.ok(reads < text.length * 8, `${reads} reads for ${text.length} bytes`);
});

test('request: random and mutated bytes never throw, and end within the input', () => {
  const mutated = fc
    .tuple(fc.constantFrom(...SAMPLES), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
    .map(([text, edits]) => {
      const bytes = Buffer.from(text, 'latin1');
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      return bytes;
    });
  const random = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(mutated, random), (bytes) => {
      const head = new RequestHead(20);
      const result = parseRequestHead(head, bytes, 0, bytes.length, limits);
      assert.ok(Number.isInteger(result) && result <= bytes.length);
      if (result <= 0) return;
      assert.equal(bytes.toString('latin1', result - 4, result), '\r\n\r\n');
      assert.ok(head.fields.count <= 20);
      assert.ok(!/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(bytes.toString('latin1', 0, result)));
    }),
    { numRuns: 3_000 },
  );
});
