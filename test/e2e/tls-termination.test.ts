/**
 * TLS of the real proxy to real clients: which certificate and policy a name gets, what is refused
 * and how, and what requests over TLS are to origins.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import type { Fetched, HttpOrigin } from '../support/http-origin.ts';
import { baseToml, startProxy } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import type { Subject } from '../support/subject.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { fetchTls } from '../support/tls-fetch.ts';
import type { TlsFetched } from '../support/tls-fetch.ts';

const CURL = '/usr/bin/curl';
const OPENSSL = '/usr/bin/openssl';
const run = promisify(execFile);

/** Authority, listener policies and the names that have certificates. */
const CLIENTS = new URL('../fixtures/tls/', import.meta.url).pathname;
const client = (name: string) => ({
  cert: fs.readFileSync(path.join(CLIENTS, `${name}.pem`)),
  key: fs.readFileSync(path.join(CLIENTS, `${name}.key`)),
});

let origin: HttpOrigin;
let proxy: Subject;
let authority: TestAuthority;
let folder: string;
/** Ports of listeners by name. */
const ports: Record<string, number> = {};
const LISTENERS = {
  plain: '',
  web: 'default',
  modern: 'modern',
  old: 'old',
  require: 'require',
  request: 'request',
  verify: 'verify',
  given: 'given',
} as const;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    const own = request.url === '/own' ? { 'strict-transport-security': 'max-age=5' } : {};
    response.writeHead(200, own).end(JSON.stringify(request.headers));
  });
  authority = await TestAuthority.create();
  folder = scratchDirectory();
  const write = (name: string, text: string): string => {
    fs.writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  write('ca.pem', authority.ca);
  let toml = baseToml();
  const all = await freePorts(Object.keys(LISTENERS).length);
  for (const [at, [name, policy]] of Object.entries(LISTENERS).entries()) {
    ports[name] = all[at]!;
    toml += `[listeners.${name}]\naddress = "127.0.0.1:${all[at]}"\n`;
    if (policy !== '') toml += `tls = "${policy}"\n`;
  }
  for (const [name, names, keyType] of [
    ['a', ['a.test'], 'ecdsa-p256'],
    ['b', ['b.test'], 'rsa-2048'],
    ['wild', ['*.wild.test'], 'ecdsa-p256'],
    ['secret', ['secret.test'], 'ecdsa-p256'],
  ] as const) {
    const issued = await authority.issue(names, { keyType });
    const cert = write(`${name}.pem`, issued.cert);
    const key = write(`${name}.key`, issued.key);
    toml += `[certificates.${name}]\ncert = "${cert}"\nkey = "${key}"\n`;
  }
  const authorities = `ca = "${path.join(CLIENTS, 'ca.pem')}"`;
  toml += `
[tls.modern]
min-version = "1.3"
no-name = "refuse"
[tls.old]
max-version = "1.2"
unknown-name = "default"
default-certificate = "b"
[tls.require]
client-auth = { mode = "require" }
[tls.request]
client-auth = { mode = "request" }
[tls.verify]
client-auth = { mode = "verify", ${authorities}, crl = "${path.join(CLIENTS, 'clients.crl')}" }
[tls.given]
client-auth = { mode = "verify-if-given", ${authorities} }
[routes.all]
path = "/*"
service = "app"
plain-http = "serve"
[routes.a]
host = "a.test"
service = "app"
hsts = true
[routes.b]
host = ["b.test", "*.wild.test"]
service = "app"
plain-http = "refuse"
[routes.secret]
host = "secret.test"
service = "app"
tls = "verify"
[services.app]
endpoints = ["http://127.0.0.1:${origin.port}"]
`;
  const links = all.map((listenPort) => ({ listenPort, originPort: origin.port }));
  proxy = await startProxy(toml, links);
});

test.after(async () => {
  await proxy?.stop();
  await origin?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('tls: the name says which certificate is shown, and each is trusted', async () => {
  for (const [servername, names] of [
    ['a.test', 'DNS:a.test'],
    ['A.TEST', 'DNS:a.test'],
    ['b.test', 'DNS:b.test'],
    ['x.wild.test', 'DNS:*.wild.test'],
  ] as const) {
    const ca = authority.ca;
    const options = { port: ports['web']!, servername, ca, rejectUnauthorized: true };
    const fetched = await fetchTls(options);
    assert.equal(fetched.names, names);
    assert.deepEqual(fetched.statuses, [200]);
    assert.equal(fetched.protocol, 'TLSv1.3');
    assert.equal(fetched.alpn, 'http/1.1');
  }
});

test('tls: without a name, and with an unknown one, the policy decides', async () => {
  const web = await fetchTls({ port: ports['web']!, servername: '' });
  assert.deepEqual(web.statuses, [200], 'the default policy has a default certificate');
  await assert.rejects(fetchTls({ port: ports['modern']!, servername: '' }), /unrecognized name/i);
  await assert.rejects(
    fetchTls({ port: ports['web']!, servername: 'c.test' }),
    /unrecognized name/i,
  );
  const old = await fetchTls({ port: ports['old']!, servername: 'c.test' });
  assert.equal(old.names, 'DNS:b.test');
});

function of(port: string, version: tls.SecureVersion): Promise<TlsFetched> {
  return fetchTls({ port: ports[port]!, minVersion: version, maxVersion: version });
}

test('tls: versions are those of the policy', async () => {
  assert.equal((await of('web', 'TLSv1.2')).protocol, 'TLSv1.2');
  assert.equal((await of('web', 'TLSv1.3')).protocol, 'TLSv1.3');
  assert.equal((await of('old', 'TLSv1.2')).protocol, 'TLSv1.2');
  assert.equal((await of('modern', 'TLSv1.3')).protocol, 'TLSv1.3');
  await assert.rejects(of('modern', 'TLSv1.2'), /protocol version/i);
  await assert.rejects(of('old', 'TLSv1.3'), /protocol version/i);
});

test('tls: no protocol in common is an alert, a client without ALPN is served', async () => {
  const h2 = fetchTls({ port: ports['web']!, ALPNProtocols: ['h2'] });
  await assert.rejects(h2, /no application protocol/i);
  const both = await fetchTls({ port: ports['web']!, ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(both.alpn, 'http/1.1');
  const none = await fetchTls({ port: ports['web']!, ALPNProtocols: [] });
  assert.deepEqual([none.alpn, none.statuses], ['', [200]]);
});

/** Listener, client certificate, and whether it is served. */
const CLIENT_AUTH: readonly (readonly [string, string, boolean])[] = [
  ['request', '', true],
  ['request', 'stranger', true],
  ['require', '', false],
  ['require', 'stranger', true],
  ['given', '', true],
  ['given', 'client', true],
  ['given', 'stranger', false],
  ['verify', '', false],
  ['verify', 'client', true],
  ['verify', 'stranger', false],
  ['verify', 'revoked', false],
];

test('tls: clients prove what the policy asks of them, in both versions', async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [listener, shown, isServed] of CLIENT_AUTH) {
      const certificate = shown === '' ? {} : client(shown);
      const options = { minVersion: version, maxVersion: version, ...certificate };
      const fetched = fetchTls({ port: ports[listener]!, ...options }).then(
        ({ statuses }) => statuses[0] === 200,
        () => false,
      );
      assert.equal(await fetched, isServed, `${listener} with ${shown} over ${version}`);
    }
  }
});

test('tls: a host behind client authentication is not reached by another name', async () => {
  const port = ports['web']!;
  const direct = fetchTls({ port, servername: 'secret.test' });
  await assert.rejects(direct.then(({ statuses }) => assert.deepEqual(statuses, [200])));
  const proved = await fetchTls({ port, servername: 'secret.test', ...client('client') });
  assert.deepEqual(proved.statuses, [200]);
  for (const host of ['secret.test', 'SECRET.test.', 'secret.test:443']) {
    const confused = await fetchTls({ port, servername: 'a.test', host });
    assert.deepEqual(confused.statuses, [421], host);
  }
  const absolute = await fetchTls({ port, path: 'https://secret.test/', host: 'a.test' });
  assert.deepEqual(absolute.statuses, [421]);
  const nameless = await fetchTls({ port, servername: '', host: 'secret.test' });
  assert.deepEqual(nameless.statuses, [421]);
  const later = await fetchTls({ port, hosts: ['a.test', 'secret.test', 'a.test'] });
  assert.deepEqual(later.statuses, [200, 421]);
});

test('tls: origins learn of it, and HSTS is added unless the origin says it', async () => {
  const { text } = await fetchTls({ port: ports['web']! });
  assert.match(text, /\r\nStrict-Transport-Security: max-age=\d+\r\n/);
  assert.match(text, /"x-forwarded-proto":"https"/);
  assert.match(text, new RegExp(`"x-forwarded-port":"${ports['web']}"`));
  const own = await fetchTls({ port: ports['web']!, path: '/own' });
  assert.deepEqual(own.text.match(/strict-transport-security: [^\r]*/gi)?.length, 1);
  assert.match(own.text, /max-age=5\r\n/);
});

function askPlain(host: string): Promise<Fetched> {
  return fetchFrom(ports['plain']!, '/x?y=1', { headers: { host } });
}

test('tls: plain requests are redirected, refused or served as their route says', async () => {
  const redirected = await askPlain('a.test');
  assert.equal(redirected.status, 308);
  assert.match(redirected.headers.location ?? '', /^https:\/\/a\.test:\d+\/x\?y=1$/);
  assert.equal(redirected.headers['strict-transport-security'], undefined);
  assert.equal((await askPlain('b.test')).status, 403);
  assert.equal((await askPlain('elsewhere.test')).status, 200);
});

test('tls: sessions are resumed, in both versions', async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const port = ports['web']!;
    const session = await new Promise<Buffer>((resolve, reject) => {
      const options = { port, servername: 'a.test', rejectUnauthorized: false };
      const socket = tls.connect({ ...options, minVersion: version, maxVersion: version });
      socket.on('error', reject);
      socket.on('session', (ticket: Buffer) => {
        resolve(ticket);
        socket.end();
      });
      socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    });
    const again = { port, session, minVersion: version, maxVersion: version };
    assert.equal((await fetchTls(again)).isReused, true, version);
  }
});

test('tls: plain HTTP on the port is told so', async () => {
  const { status, body } = await fetchFrom(ports['web']!, '/');
  assert.equal(status, 400);
  assert.match(body.toString(), /TLS|HTTPS/);
});

test('tls: curl accepts it', { skip: fs.existsSync(CURL) ? false : 'no curl' }, async () => {
  const port = ports['web']!;
  const place = ['--resolve', `a.test:${port}:127.0.0.1`, `https://a.test:${port}/`];
  const { stdout } = await run(CURL, ['-sS', '--cacert', path.join(folder, 'ca.pem'), ...place]);
  assert.match(stdout, /"x-forwarded-proto":"https"/);
});

/** What `openssl s_client` says to that, errors included. */
async function connect(...args: string[]): Promise<string> {
  const all = ['s_client', '-connect', `127.0.0.1:${ports['web']}`, ...args];
  const done = run(OPENSSL, all, { timeout: 8_000 });
  done.child.stdin?.end();
  return done.then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  );
}

test(
  'tls: openssl sees chain, version and alerts',
  {
    skip: fs.existsSync(OPENSSL) ? false : 'no openssl',
  },
  async () => {
    const ca = ['-CAfile', path.join(folder, 'ca.pem')];
    assert.match(await connect('-servername', 'b.test', ...ca), /Verify return code: 0 \(ok\)/);
    assert.match(await connect('-servername', 'c.test'), /alert number 112|unrecognized name/);
    assert.match(await connect('-servername', 'a.test', '-alpn', 'h2'), /alert number 120/);
    assert.match(await connect('-servername', 'a.test', '-tls1_1'), /alert number 70|no protocols/);
    const resumed = await connect('-servername', 'a.test', '-tls1_2', '-reconnect');
    assert.equal(resumed.match(/^Reused, TLSv1\.2/gm)?.length, 5);
  },
);
