import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canonicalHostPort, canonicalizeHost, canonicalizePath, HOST_SIZE_MAX } from './target.ts';

/** @returns `host` or `host port=N`; null when invalid. */
function host(text: string): string | null {
  const input = Buffer.from(`<${text}>`, 'latin1');
  const out = new Uint8Array(HOST_SIZE_MAX);
  const size = canonicalizeHost(input, 1, input.length - 1, out);
  if (size < 0) return null;
  const port = canonicalHostPort();
  return Buffer.from(out.subarray(0, size)).toString('latin1') + (port < 0 ? '' : ` port=${port}`);
}

/** @returns the canonical path, or null when invalid. Checks that out is needed only on change. */
function path(text: string, rejectEncodedSlash = false): string | null {
  const input = Buffer.from(`<${text}>`, 'latin1');
  const out = new Uint8Array(text.length); // T3: never longer than the input.
  const size = canonicalizePath(input, 1, input.length - 1, out, rejectEncodedSlash);
  if (size < 0) return null;
  if (size === 0) return text;
  const result = Buffer.from(out.subarray(0, size)).toString('latin1');
  assert.notEqual(result, text, 'a canonical path must take the fast pass');
  return result;
}

const label63 = 'a'.repeat(63);
const host253 = `${label63}.${label63}.${label63}.${'b'.repeat(61)}`;

test('target: writes one spelling for every accepted host', () => {
  const rows: [string, string][] = [
    ['', ''],
    ['a.test', 'a.test'],
    ['A.TEST', 'a.test'],
    ['a.test.', 'a.test'],
    ['a.test:80', 'a.test port=80'],
    ['A.test.:65535', 'a.test port=65535'],
    ['a.test:', 'a.test'],
    ['a:00080', 'a port=80'],
    ['my_service', 'my_service'],
    ['-a.b-', '-a.b-'],
    ['127.0.0.1:8080', '127.0.0.1 port=8080'],
    ['[::1]', '[::1]'],
    ['[::1]:443', '[::1] port=443'],
    ['[::1]:', '[::1]'],
    ['[0:0:0:0:0:0:0:1]', '[::1]'],
    ['[2001:DB8:0:0:1::1]', '[2001:db8::1:0:0:1]'],
    ['[1:2:3::5:6:7:8]', '[1:2:3:0:5:6:7:8]'],
    ['[0000:0000:0000:0000:0000:ffff:255.255.255.255]', '[::ffff:ffff:ffff]'],
    [label63, label63],
    [host253, host253],
    [`${host253}.`, host253],
    [`${host253}.:80`, `${host253} port=80`],
  ];
  for (const [input, expected] of rows) assert.equal(host(input), expected, input);
});

test('target: rejects a host that two servers could read differently', () => {
  const rows = ['u@a.test', 'a.test/x', 'a b', ' a', 'a ', 'a#x', 'a\0', 'a\x7f', 'a\t', '[::1'];
  rows.push('::1]', '[::1]x', '[::1]]', '[[::1]]', '[1.2.3.4]', '[::1%25eth0]', '[]', '[v1.a]');
  rows.push('a:abc', 'a:99999', 'a:65536', 'a:0', 'a:-1', 'a:+1', 'a:1:2', 'a:000080', '::1');
  rows.push('\xc3\xa9.test', 'a%2etest', 'a,b', 'a, b', '.', '.a', 'a..b', 'a..', ':80', '*');
  rows.push('*.a', 'a*', 'a?b', 'a\\b', 'a"', "a'", 'a;b', 'a=b', 'a~', 'a!', '(a)', '[::1', '[');
  rows.push(`${label63}a`, `${host253}a`, `${host253}.a`, `${host253}..`, '[:::1]', '[1::2::3]');
  for (const input of rows) assert.equal(host(input), null, JSON.stringify(input));
});

test('target: forgets the port of the host before', () => {
  assert.equal(host('a:80'), 'a port=80');
  assert.equal(host('a'), 'a');
  host('a:80');
  assert.equal(host('a:999999'), null);
  assert.equal(canonicalHostPort(), -1);
});

test('target: host of host is the same host for any bytes', () => {
  const byte = fc.oneof(
    fc.constantFrom(...'aA.:-_[]19f'),
    fc.integer({ min: 0, max: 255 }).map(latin1),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), (parts) => {
      const once = host(parts.join(''));
      if (once === null) return;
      const name = once.replace(/ port=.*/, '');
      assert.equal(host(name), name);
      assert.match(name, /^(?:[a-z0-9_.-]*|\[[0-9a-f:]+\])$/);
      assert.doesNotMatch(name, /^\.|\.$|\.\./);
    }),
    { numRuns: 3_000 },
  );
});

test('target: writes one spelling for every accepted path', () => {
  const rows: [string, string][] = [
    ['/', '/'],
    ['/a', '/a'],
    ['/a/', '/a/'],
    ['/a/../b', '/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.%2E/b', '/b'],
    ['/a/%2e', '/a/'],
    ['/a/b..%2fb', '/a/b..%2Fb'],
    ['/a%5cb', '/a%5Cb'],
    ['//a//b', '/a/b'],
    ['///', '/'],
    ['/a//../b', '/b'],
    ['/a/.', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/b/../../c/', '/c/'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
    ['/..a/.b', '/..a/.b'],
    ['/%7Euser/%41%2D%5f', '/~user/A-_'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%C3%A9', '/%C3%A9'],
    ['/a/%252e%252e/b', '/a/%252e%252e/b'],
    ['/a%252Fb', '/a%252Fb'],
    ['/a;x=1/b', '/a;x=1/b'],
    ['/a..;/b', '/a..;/b'],
    ["/!$&'()*+,=:@", "/!$&'()*+,=:@"],
    ['/a%20b', '/a%20b'],
    ['/%2525', '/%2525'],
  ];
  for (const [input, expected] of rows) assert.equal(path(input), expected, input);
});

test('target: rejects a path that two servers could read differently', () => {
  const rows = ['', '*', 'a', 'a/b', '/..', '/../', '/../../etc/passwd', '/a/../..', '/./..'];
  rows.push('/%2e%2e', '/a/%2e%2e/%2e%2e/b', '//..', '/%00', '/a%00b', '/%zz', '/%', '/%4', '/%4');
  rows.push('/a%2', '/a#b', '/a\\b', '/a/..\\b', '/a?b', '/a b', '/a\tb', '/a\0', '/\x7f', '/\x80');
  rows.push('/\xff', '/..;x/b', '/a/..;/b', '/a/.;/b', '/a/%2e%2e;x', '/.;', '/..;', '/%2E;a');
  rows.push('/b/%2e%2e/\x80', '/a//\\');
  for (const input of rows) assert.equal(path(input), null, JSON.stringify(input));
});

test('target: rejects encoded slashes only when told so', () => {
  for (const input of ['/a%2Fb', '/a%2fb', '/a%5Cb', '/a%5cb', '//a%2Fb', '/%61%5Cb']) {
    assert.notEqual(path(input, false), null, input);
    assert.equal(path(input, true), null, input);
  }
  assert.equal(path('/a%252Fb', true), '/a%252Fb');
});

const pathPart = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('/', '.', '..', '/', 'a', 'B', ';', '%2e', '%2E', '%2f'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('%5C', '%41', '%7e', '%c3', '%25', '%00', '%', '#', '\\'),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map(latin1) },
);
const anyPath = fc.array(pathPart, { maxLength: 24 }).map((parts) => `/${parts.join('')}`);

test('target: equals the plain reference for any path', () => {
  fc.assert(
    fc.property(anyPath, fc.boolean(), (text, reject) => {
      assert.equal(path(text, reject), referencePath(text, reject));
    }),
    { numRuns: 20_000 },
  );
});

test('target: path of path is the same path', () => {
  let canonicalCount = 0;
  fc.assert(
    fc.property(anyPath, (text) => {
      const once = path(text);
      if (once === null) return;
      canonicalCount++;
      const bytes = Buffer.from(once, 'latin1');
      assert.equal(canonicalizePath(bytes, 0, bytes.length, new Uint8Array(0), false), 0);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(canonicalCount > 500, `only ${canonicalCount} valid paths were tried`);
});

/** The rules once more, in the plainest way and over strings. */
function referencePath(text: string, rejectEncodedSlash: boolean): string | null {
  if (!/^\/[\x21-\x7e]*$/.test(text) || /[#?\\]/.test(text)) return null;
  if (/%(?![0-9A-Fa-f]{2})|%00/.test(text)) return null;
  if (rejectEncodedSlash && /%2f|%5c/i.test(text)) return null;
  const decoded = text.replaceAll(/%../g, (escape) => {
    const byte = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(byte) ? byte : escape.toUpperCase();
  });
  const segments = decoded.split('/').slice(1);
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    if (/^\.\.?;/.test(segment)) return null;
    if (segment === '..' && kept.pop() === undefined) return null;
    const isDropped = segment === '' || segment === '.' || segment === '..';
    if (!isDropped) kept.push(segment);
    else if (index === segments.length - 1 && kept.length > 0) kept.push('');
  }
  const pieces = kept.join('/').split(/\/|%2F|%5C/);
  return pieces.some((piece) => /^\.\.?(;|$)/.test(piece)) ? null : `/${kept.join('/')}`;
}

function latin1(byte: number): string {
  return String.fromCharCode(byte);
}

test('target: rejects dot segments beside an encoded slash, kept or not', () => {
  const rows = ['/a/..%2Fb', '/a/..%2fb', '/a/%2e%2e%2Fb', '/a%2F..', '/a%2F../b', '/a/.%2Fb'];
  rows.push('/a/..%5Cb', '/a/b%5c..%5Cc', '/a/..;x%2Fb', '/a//..%2F..%2Fb', '/x%2F..%2F../y');
  for (const text of rows) assert.equal(path(text), null, text);
  for (const text of ['/a%2Fb', '/a/..b%2Fc', '/a/b..%2Fc', '/a%2F.well-known', '/...%2Fb']) {
    assert.equal(path(text), text, text);
    assert.equal(path(text, true), null, text);
  }
  assert.equal(path('/a%2Fb/../c'), '/c');
});
