import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../src/contract/fault.ts';
import type { TlsPolicySpec } from '../../src/contract/tls.ts';
import { fieldValues } from '../support/strict-head.ts';
import { bodiesOf, get, isOver, post, responsesOf, statusesOf } from './requests.ts';
import { answering, listenOrigin, okWith } from './scripted-origin.ts';
import type { TlsChanges } from './tls-world.ts';
import { openTlsWorld, policy, tlsClient, TLS_STATE, withTls } from './tls-world.ts';
import { appToml, compileToml, ORIGIN, STILL, World } from './world.ts';

/** Head fields of the only answer, by lower-case name. */
function fieldOf(client: Parameters<typeof responsesOf>[0], name: string): string[] {
  return [...fieldValues(responsesOf(client)[0]!.fields, name)];
}

/** Listener without TLS whose route says what becomes of plain requests. */
function plain(route: TlsChanges['route']): TlsChanges {
  return { listener: { tls: -1 }, route: route! };
}

const REDIRECTS: readonly (readonly [request: string, location: string])[] = [
  ['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', 'https://a.test/'],
  ['GET /x?y=1&z=%2F HTTP/1.1\r\nHost: a.test\r\n\r\n', 'https://a.test/x?y=1&z=%2F'],
  ['GET /a/./b/../%7Ec HTTP/1.1\r\nHost: A.Test.\r\n\r\n', 'https://a.test/a/./b/../%7Ec'],
  ['GET /? HTTP/1.1\r\nHost: a.test:8080\r\n\r\n', 'https://a.test/?'],
  ['GET //evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'https://a.test//evil.test/'],
  ['GET http://b.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n', 'https://b.test/p'],
  ['GET http://b.test?q HTTP/1.1\r\nHost: b.test\r\n\r\n', 'https://b.test/?q'],
  ['OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n', 'https://a.test'],
  ['GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n', 'https://[2001:db8::1]/'],
  ['POST /form HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n', 'https://a.test/form'],
];

test('redirect: leads to the same place over HTTPS, and keeps the connection', async () => {
  const world = await openTlsWorld(plain({ plainHttp: 'redirect' }));
  const { requests } = listenOrigin(world.sim, ORIGIN, answering());
  for (const [text, location] of REDIRECTS) {
    const client = world.client(text);
    const [response] = responsesOf(client);
    assert.equal(response!.status, 308, text);
    assert.deepEqual(fieldOf(client, 'location'), [location], text);
    assert.equal(isOver(client), false, 'the connection stays');
    client.end();
  }
  assert.equal(requests.length, 0);
  world.assertQuiet();
});

test('redirect: names the port when it is not that of HTTPS', async () => {
  const world = await openTlsWorld(plain({ plainHttp: 'redirect', httpsPort: 8_443 }));
  const client = world.client(get('/x'));
  assert.deepEqual(fieldOf(client, 'location'), ['https://a.test:8443/x']);
  client.end();
  world.assertQuiet();
});

test('redirect: no host is nowhere to go, and a bad one is refused', async () => {
  const world = await openTlsWorld(plain({ plainHttp: 'redirect' }));
  assert.deepEqual(statusesOf(world.client('GET / HTTP/1.0\r\n\r\n')), [403]);
  for (const host of ['evil.test/x', 'a.test@evil.test', 'a.test\u00e9', '']) {
    assert.deepEqual(statusesOf(world.client(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)), [400]);
  }
  world.assertQuiet();
});

test('redirect: a client whose body is not here yet is answered and closed', async () => {
  const world = await openTlsWorld(plain({ plainHttp: 'redirect' }));
  const client = world.client('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc');
  assert.deepEqual(statusesOf(client), [308]);
  assert.equal(client.hasEnded, true);
  client.end();
  world.assertQuiet();
});

test('redirect: does not loop behind a proxy that speaks TLS, if it is trusted', async () => {
  const listener = { tls: -1, trustedProxies: ['127.0.0.1/32'] };
  const route = { plainHttp: 'redirect' } as const;
  const world = await openTlsWorld({ listener, route });
  listenOrigin(world.sim, ORIGIN, answering());
  const status = (fields: string): number => {
    const client = world.client(get('/', fields));
    client.end();
    return statusesOf(client)[0]!;
  };
  assert.equal(status('X-Forwarded-Proto: https\r\n'), 200);
  assert.equal(status('X-Forwarded-Proto: HTTPS\r\n'), 200);
  assert.equal(status('X-Forwarded-Proto: http, https\r\n'), 200);
  assert.equal(status('X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n'), 308);
  assert.equal(status('X-Forwarded-Proto: http\r\n'), 308);
  assert.equal(status(''), 308);
  world.assertQuiet();
  const other = await openTlsWorld(plain({ plainHttp: 'redirect' }));
  const client = other.client(get('/', 'X-Forwarded-Proto: https\r\n'));
  assert.deepEqual(statusesOf(client), [308]);
  client.end();
  other.assertQuiet();
});

test('refuse: a plain request is answered with 403, and goes no further', async () => {
  const chain = [{ name: 'never', onRequestHead: () => assert.fail('the chain was run') }];
  const world = await openTlsWorld(plain({ plainHttp: 'refuse' }), {}, { chain });
  const client = world.client(get());
  assert.deepEqual(statusesOf(client), [403]);
  assert.equal(world.faultCount(Fault.requestNotSecure), 1);
  assert.equal(world.requestCount(4), 1);
  world.assertQuiet();
});

test('secure: what a route says of plain requests does not touch others', async () => {
  const world = await openTlsWorld({ route: { plainHttp: 'redirect' } });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = tlsClient(world, get());
  assert.deepEqual(statusesOf(client), [200]);
  client.end();
  world.assertQuiet();
});

// HTTP-01.

const HTTP_01 = {
  ...TLS_STATE,
  challenges: [
    { kind: 'http-01', host: 'a.test', token: 'tok-1', keyAuthorization: 'tok-1.thumb' },
    { kind: 'http-01', host: '2001:db8::1', token: 'tok-2', keyAuthorization: 'tok-2.thumb' },
  ],
} as const;
const CHALLENGE = '/.well-known/acme-challenge';

test('http-01: an open challenge is answered, whatever its route says', async () => {
  for (const plainHttp of ['redirect', 'refuse', 'serve'] as const) {
    const world = await openTlsWorld(plain({ plainHttp }), {}, { tls: HTTP_01 });
    const client = world.client(get(`${CHALLENGE}/tok-1`));
    assert.deepEqual(bodiesOf(client), ['tok-1.thumb']);
    assert.deepEqual(fieldOf(client, 'content-type'), ['text/plain']);
    const address = `GET ${CHALLENGE}/tok-2 HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n`;
    assert.deepEqual(bodiesOf(world.client(address)), ['tok-2.thumb']);
    const head = world.client(`HEAD ${CHALLENGE}/tok-1 HTTP/1.1\r\nHost: a.test:8080\r\n\r\n`);
    assert.equal(responsesOf(head, ['HEAD'])[0]!.status, 200);
    client.end();
    head.end();
    world.assertSound();
  }
});

function of(line: string, host: string): string {
  return `${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

test('http-01: another host, token or method is a request like any other', async () => {
  const world = await openTlsWorld(plain({ plainHttp: 'redirect' }), {}, { tls: HTTP_01 });
  for (const text of [
    of(`GET ${CHALLENGE}/tok-1`, 'b.test'),
    of(`GET ${CHALLENGE}/tok-3`, 'a.test'),
    of(`GET ${CHALLENGE}/tok-1/x`, 'a.test'),
    of(`GET ${CHALLENGE}/`, 'a.test'),
    of(`GET ${CHALLENGE}`, 'a.test'),
    of(`DELETE ${CHALLENGE}/tok-1`, 'a.test'),
    of('GET /.well-known/acme-challenge-x/tok-1', 'a.test'),
  ]) {
    assert.deepEqual(statusesOf(world.client(text)), [308], text);
  }
  world.data.setChallenges([]);
  assert.deepEqual(statusesOf(world.client(get(`${CHALLENGE}/tok-1`))), [308], 'it is over');
  world.assertSound();
});

test('http-01: is answered over TLS and where no route matches', async () => {
  const world = await openTlsWorld({}, {}, { tls: HTTP_01 });
  const client = tlsClient(world, get(`${CHALLENGE}/tok-1`));
  assert.deepEqual(bodiesOf(client), ['tok-1.thumb']);
  assert.equal(world.requestCount(2), 1);
  client.end();
  world.assertQuiet();
});

// HSTS.

test('hsts: is added over TLS, to our answers too, and stays as the origin says', async () => {
  const world = await openTlsWorld({ route: { hsts: 'max-age=60' } });
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (request, peer) => {
      const own = request.target === '/own' ? 'strict-transport-security: max-age=1\r\n' : '';
      peer.send(okWith('x', own));
    },
  });
  const valueOf = (text: string, status = 200): string[] => {
    const client = tlsClient(world, text);
    client.end();
    assert.deepEqual(statusesOf(client), [status]);
    return fieldOf(client, 'strict-transport-security');
  };
  assert.deepEqual(valueOf(get('/')), ['max-age=60']);
  assert.deepEqual(valueOf(get('/own')), ['max-age=1']);
  const looping = get('/', 'Via: 1.1 proxy-now, 1.1 proxy-now\r\n'.repeat(9));
  assert.deepEqual(valueOf(looping, 508), ['max-age=60']);
  world.assertQuiet();
});

test('hsts: is not said over plain HTTP, nor where a middleware says it', async () => {
  const bare = await openTlsWorld({ ...plain({ hsts: 'max-age=60' }) });
  listenOrigin(bare.sim, ORIGIN, answering());
  const plainClient = bare.client(get());
  assert.deepEqual(fieldOf(plainClient, 'strict-transport-security'), []);
  plainClient.end();
  bare.assertQuiet();
  const chain = [
    {
      name: 'own',
      onResponseHead: (context: { setResponseHeader(name: string, value: string): void }) =>
        context.setResponseHeader('Strict-Transport-Security', 'max-age=2'),
    },
  ];
  const world = await openTlsWorld({ route: { hsts: 'max-age=60' } }, {}, { chain });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = tlsClient(world, get());
  assert.deepEqual(fieldOf(client, 'strict-transport-security'), ['max-age=2']);
  client.end();
  world.assertQuiet();
});

// 421.

/** `a.test` has the listener's policy, `b.test` one that asks for a certificate. */
const MUTUAL: TlsChanges = {
  tls: {
    policies: [policy('default'), policy('mutual', { clientAuth: 'require' })],
    hosts: [{ host: 'b.test', listeners: null, policy: 1 }],
  },
};

async function openMutual(): Promise<World> {
  const world = await openTlsWorld(MUTUAL);
  listenOrigin(world.sim, ORIGIN, answering());
  return world;
}

const hostLine = (host: string, target = '/'): string =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** Server name, whether a certificate is shown, what is asked for, and the answer. */
const MISDIRECTED: readonly (readonly [string, boolean, string, number])[] = [
  ['a.test', false, hostLine('a.test'), 200],
  ['a.test', true, hostLine('a.test'), 200],
  ['b.test', true, hostLine('b.test'), 200],
  ['b.test', true, hostLine('B.TEST.:443'), 200],
  ['a.test', false, hostLine('b.test'), 421],
  ['a.test', true, hostLine('b.test'), 421],
  ['a.test', false, hostLine('B.Test.'), 421],
  ['a.test', false, hostLine('b.test:8443'), 421],
  ['a.test', false, hostLine('a.test', 'http://b.test/'), 421],
  ['a.test', false, hostLine('a.test', 'https://b.test/x'), 421],
  ['a.test', false, hostLine('b.test', 'http://a.test/'), 200],
  ['', false, hostLine('b.test'), 421],
  ['', true, hostLine('b.test'), 421],
  ['', false, hostLine('a.test'), 200],
  ['', false, hostLine('127.0.0.1'), 200],
  ['', false, hostLine('[::1]'), 200],
  ['b.test', true, hostLine('a.test'), 421],
  ['b.test', true, hostLine('10.0.0.1'), 421],
];

test('421: what a client has proved to one name proves nothing to another', async () => {
  for (const [serverName, hasCertificate, text, status] of MISDIRECTED) {
    const world = await openMutual();
    const client = tlsClient(world, text, { serverName, hasCertificate });
    assert.deepEqual(statusesOf(client), [status], `${serverName}, ${hasCertificate}: ${text}`);
    assert.equal(world.faultCount(Fault.requestMisdirected), status === 421 ? 1 : 0);
    client.end();
    world.assertQuiet();
  }
});

test('421: each request of a connection is looked at, and ends it', async () => {
  const world = await openMutual();
  const texts = [hostLine('a.test'), hostLine('b.test'), hostLine('a.test')];
  const client = tlsClient(world, texts.join(''));
  assert.deepEqual(statusesOf(client), [200, 421]);
  assert.equal(client.hasEnded, true);
  client.end();
  world.assertQuiet();
});

test('421: plain listeners and those with one policy know nothing of it', async () => {
  const world = await openTlsWorld({ ...MUTUAL, listener: { tls: -1 } });
  listenOrigin(world.sim, ORIGIN, answering());
  const client = world.client(hostLine('b.test'));
  assert.deepEqual(statusesOf(client), [200]);
  client.end();
  world.assertQuiet();
});

/** A protected wildcard, and a host below it that has only some paths to itself. */
const BELOW_WILDCARD = `
[tls.mutual.client-auth]
mode = "require"
[routes.protected]
host = "*.wild.test"
tls = "mutual"
service = "app"
[routes.open]
host = "x.wild.test"
path = "/open/*"
service = "app"
`;

/** Server name, whether a certificate is shown, what is asked for, and the answer. */
const FALLING_THROUGH: readonly (readonly [string, boolean, string, number])[] = [
  ['y.wild.test', true, hostLine('y.wild.test'), 200],
  ['x.wild.test', false, hostLine('x.wild.test', '/open/a'), 200],
  ['x.wild.test', false, hostLine('x.wild.test', '/secret'), 421],
  ['x.wild.test', true, hostLine('x.wild.test', '/secret'), 421],
  ['y.wild.test', true, hostLine('x.wild.test', '/secret'), 421],
];

test('421: a route is not reached under the policy of a narrower one', async () => {
  const toml = appToml({ listener: 'tls = "default"', more: BELOW_WILDCARD });
  for (const [serverName, hasCertificate, text, status] of FALLING_THROUGH) {
    const world = new World(await compileToml(toml), { ...STILL, tls: TLS_STATE });
    listenOrigin(world.sim, ORIGIN, answering());
    const client = tlsClient(world, text, { serverName, hasCertificate });
    assert.deepEqual(statusesOf(client), [status], `${serverName}, ${hasCertificate}: ${text}`);
    client.end();
    world.assertQuiet();
  }
});

/** Changes of the listener's policy by a reload, and whether its connections still do. */
const RELOADS: readonly (readonly [
  string,
  Partial<TlsPolicySpec>,
  Partial<TlsPolicySpec>,
  number,
])[] = [
  ['nothing', {}, {}, 200],
  ['ciphers', {}, { ciphers: ['TLS_AES_256_GCM_SHA384'] }, 200],
  ['times', {}, { handshakeTimeoutMs: 5 }, 200],
  ['a certificate is required now', {}, { clientAuth: 'require' }, 421],
  ['none is required any more', { clientAuth: 'require' }, {}, 421],
  ['other authorities', mutual('x'), mutual('y'), 421],
  ['the same authorities', mutual('x'), { ...mutual('x'), ciphers: ['A'] }, 200],
];

function mutual(ca: string): Partial<TlsPolicySpec> {
  return { clientAuth: 'verify', clientCas: [ca] };
}

test('421: a reload that asks more of clients holds for who is connected', async () => {
  for (const [name, before, after, status] of RELOADS) {
    const world = await openTlsWorld({ tls: { policies: [policy('default', before)] } });
    listenOrigin(world.sim, ORIGIN, answering());
    const client = tlsClient(world, get(), { hasCertificate: true });
    const tls = { policies: [policy('default', after)] };
    world.publish(withTls(await compileToml(appToml(), 2), { tls }));
    assert.equal(isOver(client), false);
    client.send(get());
    world.advance(0);
    assert.deepEqual(statusesOf(client), [200, status], name);
    client.end();
    world.assertQuiet();
  }
});

test('secure: a body is read and answered as without TLS', async () => {
  const world = await openTlsWorld();
  const { requests } = listenOrigin(world.sim, ORIGIN, answering());
  const client = tlsClient(world, post('x'.repeat(100_000)));
  world.advance(0);
  assert.deepEqual(statusesOf(client), [200]);
  assert.equal(requests[0]!.body.length, 100_000);
  client.end();
  world.assertQuiet();
});
