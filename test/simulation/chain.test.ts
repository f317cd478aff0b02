/** Middlewares at work on real exchanges: what they may change, and what they cannot touch. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type {
  Middleware,
  RequestContext,
  ResponseContext,
} from '../../src/data/chain/middleware.ts';
import { Verdict } from '../../src/data/chain/middleware.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { fieldValues } from '../support/strict-head.ts';
import { get, post, request, responsesOf, statusesOf } from './requests.ts';
import { listenOrigin, okWith } from './scripted-origin.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import type { World } from './world.ts';
import { openWorld, ORIGIN } from './world.ts';

interface Bench {
  readonly world: World;
  readonly origin: ScriptedOrigin;
  ask(bytes: string): SimPeer;
}

async function openChain(chain: readonly Middleware[], fields = ''): Promise<Bench> {
  const world = await openWorld({}, { chain });
  const origin = listenOrigin(world.sim, ORIGIN, {
    onRequest: (_request, peer) => peer.send(okWith('origin', fields)),
  });
  return { world, origin, ask: (bytes) => world.client(bytes) };
}

function onRequest(act: (context: RequestContext) => void, verdict: Verdict = Verdict.next) {
  const onRequestHead = (context: RequestContext): Verdict => {
    act(context);
    return verdict;
  };
  return { name: 'request', onRequestHead } satisfies Middleware;
}

function onResponse(act: (context: ResponseContext) => void): Middleware {
  return { name: 'response', onResponseHead: act };
}

test('middleware: sees the request as it was matched', async () => {
  let seen: readonly unknown[] = [];
  const { world, ask } = await openChain([
    onRequest((context) => {
      seen = [
        context.method(),
        context.host(),
        context.path(),
        context.query(),
        context.clientAddress(),
        context.header('x-a'),
        context.header('x-none'),
      ];
    }),
  ]);
  ask('POST /a/../B%2d?q=1 HTTP/1.1\r\nHost: A.Test:80\r\nX-A: one\r\nx-a: two\r\n\r\n');
  assert.deepEqual(seen, ['POST', 'a.test', '/B-', 'q=1', '127.0.0.1', 'one', undefined]);
  world.assertQuiet();
});

test('middleware: a field it sets replaces every line of that name toward the origin', async () => {
  const { world, origin, ask } = await openChain([
    onRequest((context) => {
      context.setRequestHeader('X-A', 'first');
      context.setRequestHeader('x-a', 'second');
      context.setRequestHeader('x-b', 'caf\u00e9');
    }),
  ]);
  ask(get('/', 'X-A: client\r\nx-A: client\r\nX-C: client\r\n'));
  const { fields } = origin.requests[0]!;
  assert.deepEqual(fieldValues(fields, 'x-a'), ['second']);
  assert.deepEqual(fieldValues(fields, 'x-b'), ['caf\u00e9']);
  assert.deepEqual(fieldValues(fields, 'x-c'), ['client']);
  world.assertQuiet();
});

test('middleware: later ones see what earlier ones set and took away', async () => {
  const seen: (string | undefined)[] = [];
  const look = onRequest((context) => {
    seen.push(context.header('x-a'), context.header('x-b'), context.header('x-c'));
  });
  const { world, origin, ask } = await openChain([
    onRequest((context) => {
      context.setRequestHeader('X-A', 'new');
      context.removeRequestHeader('X-B');
      context.setRequestHeader('X-C', 'new');
      context.removeRequestHeader('x-c');
    }),
    look,
  ]);
  ask(get('/', 'X-A: old\r\nX-B: old\r\nX-C: old\r\n'));
  assert.deepEqual(seen, ['new', undefined, undefined]);
  assert.deepEqual(fieldValues(origin.requests[0]!.fields, 'x-c'), []);
  world.assertQuiet();
});

test('middleware: response fields are set, replaced and taken away', async () => {
  const seen: unknown[] = [];
  const { world, ask } = await openChain(
    [
      onResponse((context) => {
        seen.push(context.status, context.header('x-origin'), context.header('x-new'));
      }),
      onResponse((context) => {
        context.setResponseHeader('X-New', 'yes');
        context.setResponseHeader('X-New', 'still');
        context.setResponseHeader('X-Origin', 'changed');
        context.removeResponseHeader('Server');
      }),
    ],
    'Server: origin\r\nX-Origin: a\r\nX-Origin: b\r\n',
  );
  const { fields, body } = responsesOf(ask(get()))[0]!;
  assert.deepEqual(seen, [200, 'changed', 'still'], 'the last of the chain comes first');
  assert.deepEqual(fieldValues(fields, 'x-new'), ['still']);
  assert.deepEqual(fieldValues(fields, 'x-origin'), ['changed']);
  assert.deepEqual(fieldValues(fields, 'server'), []);
  assert.equal(body.toString(), 'origin');
  world.assertQuiet();
});

/** Names and values that must have no effect at all. */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['Content-Length', '0'],
  ['content-length', '999'],
  ['Transfer-Encoding', 'chunked'],
  ['Connection', 'x-kept'],
  ['Host', 'evil.test'],
  ['Upgrade', 'h2c'],
  ['Trailer', 'x'],
  ['TE', 'gzip'],
  ['Expect', '100-continue'],
  ['Keep-Alive', 'timeout=1'],
  ['X-Evil', 'a\r\nEvil: 1'],
  ['X-Evil', 'a\nEvil: 1'],
  ['X-Evil', 'a\u0000'],
  ['X-Evil', 'a\u010d\u010aEvil: 1'],
  ['X-Evil', '\u{1f600}'],
  ['X-Evil\r\nEvil', '1'],
  ['X Evil', '1'],
  ['X-Evil:', '1'],
  ['', '1'],
  ['X-\u010d\u010aEvil', '1'],
];

test('middleware: cannot touch framing, nor end a line early, toward the origin', async () => {
  const plain = await openChain([]);
  const { world, origin, ask } = await openChain([
    onRequest((context) => {
      for (const [name, value] of FORBIDDEN) context.setRequestHeader(name, value);
      context.removeRequestHeader('Content-Length');
      context.removeRequestHeader('Host');
    }),
  ]);
  const text = `${post('body').replace('\r\n\r\n', '\r\nX-Kept: 1\r\n\r\n')}`;
  assert.deepEqual(statusesOf(plain.ask(text)), [200]);
  assert.deepEqual(statusesOf(ask(text)), [200]);
  assert.equal(origin.requests[0]!.rawHead, plain.origin.requests[0]!.rawHead);
  assert.equal(origin.requests[0]!.body.toString(), 'body');
  assert.deepEqual(origin.violations, []);
  world.assertQuiet();
});

test('middleware: cannot touch framing, nor end a line early, toward the client', async () => {
  const plain = await openChain([], 'X-Kept: 1\r\n');
  const { world, ask } = await openChain(
    [
      onResponse((context) => {
        for (const [name, value] of FORBIDDEN) context.setResponseHeader(name, value);
        context.removeResponseHeader('Content-Length');
        context.removeResponseHeader('Connection');
      }),
    ],
    'X-Kept: 1\r\n',
  );
  assert.equal(ask(get()).text(), plain.ask(get()).text());
  world.assertQuiet();
});

test('middleware: answers instead of the origin, and the connection lives on', async () => {
  const { world, origin, ask } = await openChain([
    onRequest(
      (context) => context.respondWith(418, 'text/x-tea; charset=utf-8', 'caf\u00e9 \u2713\n'),
      1,
    ),
    onRequest(() => assert.fail('those behind it are not asked')),
  ]);
  const client = ask(get() + request('HEAD') + get());
  const responses = responsesOf(client, ['GET', 'HEAD', 'GET']);
  assert.deepEqual(
    responses.map(({ status }) => status),
    [418, 418, 418],
  );
  assert.deepEqual(
    responses.map(({ body }) => body.toString('utf8')),
    ['caf\u00e9 \u2713\n', '', 'caf\u00e9 \u2713\n'],
  );
  assert.deepEqual(fieldValues(responses[0]!.fields, 'content-type'), [
    'text/x-tea; charset=utf-8',
  ]);
  assert.equal(origin.requests.length, 0);
  assert.equal(client.hasEnded, false);
  world.assertQuiet();
});

test('middleware: an answer before the body is read closes the connection', async () => {
  const { world, origin, ask } = await openChain([
    onRequest((context) => context.respondWith(403, 'text/plain', 'no'), Verdict.respond),
  ]);
  const client = ask(post('GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n') + get('/behind'));
  assert.deepEqual(statusesOf(client), [403]);
  assert.equal(client.hasEnded, true);
  assert.equal(origin.requests.length, 0);
  world.assertQuiet();
});

test('middleware: an answer without anything set is 403, whatever was before', async () => {
  let count = 0;
  const { world, ask } = await openChain([
    onRequest((context) => {
      if (++count === 1) context.respondWith(451, 'text/plain', 'secret of the first');
    }, Verdict.respond),
  ]);
  const first = ask(get());
  const second = ask(get());
  assert.deepEqual(statusesOf(first), [451]);
  assert.deepEqual(statusesOf(second), [403]);
  assert.doesNotMatch(second.text(), /secret/);
  world.assertQuiet();
});

/** Answers a middleware may ask for that cannot be sent as they are, and what is sent. */
const ANSWERS: readonly (readonly [number, string, string, number, string])[] = [
  [204, 'text/plain', 'ignored', 204, ''],
  [304, 'text/plain', 'ignored', 304, ''],
  [205, 'text/plain', 'ignored', 205, ''],
  [100, 'text/plain', 'x', 500, ''],
  [101, 'text/plain', 'x', 500, ''],
  [99, 'text/plain', 'x', 500, ''],
  [1_000, 'text/plain', 'x', 500, ''],
  [Number.NaN, 'text/plain', 'x', 500, ''],
  [200.5, 'text/plain', 'x', 500, ''],
  [200, 'text/plain\r\nEvil: 1', 'x', 200, 'x'],
  [200, 'text/plain\u010d\u010aEvil: 1', 'x', 200, 'x'],
  [200, 'text/plain', 'y'.repeat(60_000), 200, 'y'.repeat(60_000)],
  [200, 'text/plain', 'y'.repeat(60_001), 500, ''],
  [200, 'text/plain', '\u2713'.repeat(20_001), 500, ''],
];

test('middleware: an answer that cannot be sent breaks nothing behind it', async () => {
  for (const [status, type, body, sentStatus, sentBody] of ANSWERS) {
    let count = 0;
    const { world, ask } = await openChain([
      onRequest((context) => {
        if (++count === 1) context.respondWith(status, type, body);
        else context.respondWith(200, 'text/plain', 'next');
      }, Verdict.respond),
    ]);
    const responses = responsesOf(ask(get() + get()));
    const name = `${status} ${JSON.stringify(type)} ${body.length}`;
    assert.deepEqual(
      responses.map((response) => response.status),
      [sentStatus, 200],
      name,
    );
    assert.equal(responses[0]!.body.toString('latin1'), sentBody, name);
    assert.equal(responses[1]!.body.toString(), 'next', name);
    assert.deepEqual(fieldValues(responses[0]!.fields, 'evil'), [], name);
    if (status === 204) assert.deepEqual(fieldValues(responses[0]!.fields, 'content-length'), []);
    world.assertQuiet();
  }
});

test('middleware: one that throws costs its own exchange and nobody else', async () => {
  let isBroken = true;
  const { world, ask } = await openChain([
    onRequest(() => {
      if (isBroken) throw new Error('a bug of a middleware');
    }),
  ]);
  const unlucky = ask(get());
  assert.equal(unlucky.isClosed, true);
  assert.equal(unlucky.text(), '');
  assert.equal(world.internalErrors.length, 1);
  world.internalErrors.length = 0;
  isBroken = false;
  assert.deepEqual(statusesOf(ask(get())), [200]);
  world.assertQuiet();
});

test('middleware: one that throws on a response breaks that transfer only', async () => {
  let isBroken = true;
  const { world, ask } = await openChain([
    onResponse(() => {
      if (isBroken) throw new Error('a bug of a middleware');
    }),
  ]);
  const unlucky = ask(get());
  assert.equal(
    responsesOf(unlucky).some(({ isComplete, status }) => isComplete && status < 500),
    false,
  );
  assert.equal(world.internalErrors.length, 1);
  world.internalErrors.length = 0;
  isBroken = false;
  assert.deepEqual(statusesOf(ask(get())), [200]);
  world.assertQuiet();
});
