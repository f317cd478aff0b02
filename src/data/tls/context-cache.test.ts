import test from 'node:test';
import assert from 'node:assert/strict';
import { WorkerCell } from '../../contract/metric-layout.ts';
import type { TicketSecrets } from '../../contract/tls.ts';
import type { ServerTlsOptions } from '../io/backend.ts';
import { SimServerContext } from '../io/sim/sim-tls.ts';
import { Simulation } from '../io/sim/simulation.ts';
import { ClientHello, readClientHello } from './client-hello.ts';
import { ContextCache } from './context-cache.ts';
import { helloWith, preSharedKey, sessionTicket } from './hello-bytes.contract.ts';
import { certificate, linkedPolicy, metricCells } from './tls-fixtures.contract.ts';

function secret(byte: number): Uint8Array {
  return Uint8Array.from(
    { length: 32 },
    (_, index) => Math.imul((index + 3) * byte, 0x9e3779b1) >>> 24,
  );
}

interface Setup {
  readonly cache: ContextCache;
  readonly sim: Simulation;
  readonly built: ServerTlsOptions[];
  readonly reports: string[];
  readonly cells: Float64Array;
  /** As built, in order. */
  readonly contexts: SimServerContext[];
  /** Ids of certificates that give no context. */
  readonly broken: Set<string>;
}

function setup(contextsMax?: number): Setup {
  const sim = new Simulation({ seed: 1 });
  const built: ServerTlsOptions[] = [];
  const contexts: SimServerContext[] = [];
  const reports: string[] = [];
  const cells = metricCells();
  const broken = new Set<string>();
  sim.serverTls = (options) => {
    built.push(options);
    const ids = options.certificates.map((entry) => (entry as { id?: string }).id ?? '');
    if (ids.some((id) => broken.has(id))) return 'key values mismatch';
    const context = new SimServerContext(options);
    contexts.push(context);
    return context;
  };
  const secrets = { current: secret(1), previous: null };
  const report = (message: string): void => void reports.push(message);
  const cache = new ContextCache(sim, cells, secrets, report, contextsMax);
  return { cache, sim, built, contexts, reports, cells, broken };
}

const policy = linkedPolicy();
const one = certificate('one', ['a.test']);
const two = certificate('two', ['a.test'], { keyType: 'rsa' });

/** A hello with a ticket that begins with `name`. */
function helloOf(name: Uint8Array | null, isTls13 = true): ClientHello {
  const hello = new ClientHello();
  const ticket = [...(name ?? []), 1, 2, 3, 4];
  const extension = isTls13 ? preSharedKey(ticket) : sessionTicket(ticket);
  const bytes = name === null ? helloWith() : helloWith(extension);
  assert.equal(readClientHello(bytes, 0, bytes.length, hello), 0);
  return hello;
}

const plain = helloOf(null);

test('context-cache: builds a context once, from policy, certificates and secret', () => {
  const { cache, built, cells } = setup();
  const context = cache.contextFor(policy, [one, two], plain);
  assert.equal(cache.contextFor(policy, [one, two], plain), context);
  assert.equal(built.length, 1);
  assert.deepEqual(built[0]!.certificates, [one, two]);
  assert.deepEqual(built[0]!.ticketSecret, secret(1));
  assert.equal(built[0]!.ciphers, policy.spec.ciphers);
  assert.equal(cells[WorkerCell.tlsContextsBuilt], 1);
  assert.equal(cells[WorkerCell.tlsContexts], 1);
});

test('context-cache: other certificates and other policies have other contexts and scopes', () => {
  const { cache, built } = setup();
  const verifying = linkedPolicy({ clientAuth: 'verify', clientCas: ['ca'] });
  cache.contextFor(policy, [one], plain);
  cache.contextFor(policy, [two], plain);
  cache.contextFor(verifying, [one], plain);
  assert.equal(new Set(built.map((options) => options.ticketScope)).size, 3);
  cache.contextFor(linkedPolicy({ name: 'renamed' }), [one], plain);
  assert.equal(built.length, 3, 'the same settings, the same context');
});

test('context-cache: a policy without tickets has no secret', () => {
  const { cache, built } = setup();
  cache.contextFor(linkedPolicy({ sessionTickets: false }), [one], plain);
  assert.equal(built[0]!.ticketSecret, null);
});

test('context-cache: staples the response of a certificate that is alone', () => {
  const { cache, built } = setup();
  const ocsp = new Uint8Array(3);
  const stapled = certificate('stapled', ['a.test'], { ocsp });
  cache.contextFor(policy, [stapled], plain);
  cache.contextFor(policy, [stapled, two], plain);
  assert.deepEqual(
    built.map((options) => options.ocsp),
    [ocsp, null],
  );
});

test('context-cache: keeps the last used ones', () => {
  const { cache, built, cells } = setup(2);
  const three = certificate('three', ['a.test']);
  cache.contextFor(policy, [one], plain);
  cache.contextFor(policy, [two], plain);
  cache.contextFor(policy, [one], plain);
  cache.contextFor(policy, [three], plain);
  assert.equal(cache.size, 2);
  assert.equal(cells[WorkerCell.tlsContexts], 2);
  cache.contextFor(policy, [one], plain);
  assert.equal(built.length, 3, 'one was used later than two');
  cache.contextFor(policy, [two], plain);
  assert.equal(built.length, 4);
});

test('context-cache: reports what cannot be built once, and tries again when it is changed', () => {
  const { cache, built, reports, broken, cells } = setup();
  broken.add('one');
  assert.equal(cache.contextFor(policy, [one], plain), null);
  assert.equal(cache.contextFor(policy, [one], plain), null);
  assert.equal(built.length, 1);
  assert.deepEqual(reports, ['no TLS context for certificate one (a.test): key values mismatch']);
  assert.equal(cells[WorkerCell.tlsContextsBuilt], 0);
  broken.delete('one');
  cache.forget(new Set(['one']));
  assert.notEqual(cache.contextFor(policy, [one], plain), null);
});

test('context-cache: a broken certificate does not take the other one along', () => {
  const { cache, built, broken } = setup();
  broken.add('one');
  const context = cache.contextFor(policy, [one, two], plain);
  assert.notEqual(context, null);
  assert.deepEqual(built.at(-1)!.certificates, [two]);
  const count = built.length;
  assert.equal(cache.contextFor(policy, [one, two], plain), context);
  assert.equal(built.length, count);
});

test('context-cache: forgets by certificate', () => {
  const { cache, built } = setup();
  cache.contextFor(policy, [one, two], plain);
  cache.contextFor(policy, [two], plain);
  cache.forget(new Set(['one']));
  assert.equal(cache.size, 1);
  cache.contextFor(policy, [two], plain);
  assert.equal(built.length, 2);
});

for (const isTls13 of [true, false]) {
  const version = isTls13 ? 'TLS 1.3' : 'TLS 1.2';
  test(`context-cache: a ticket of the previous secret is read by it (${version})`, () => {
    const { cache, sim, built } = setup();
    const current = cache.contextFor(policy, [one], plain);
    const scope = built[0]!.ticketScope;
    cache.setSecrets({ current: secret(2), previous: secret(1) });
    const ofPrevious = helloOf(sim.ticketName(secret(1), scope), isTls13);
    assert.equal(cache.contextFor(policy, [one], ofPrevious), current, 'not built again');
    assert.deepEqual(built.at(-1)!.ticketSecret, secret(2), 'but the new one is');
    const fresh = cache.contextFor(policy, [one], plain);
    assert.notEqual(fresh, current);
    const ofCurrent = helloOf(sim.ticketName(secret(2), scope), isTls13);
    assert.equal(cache.contextFor(policy, [one], ofCurrent), fresh);
    const ofNobody = helloOf(new Uint8Array(16).fill(9), isTls13);
    assert.equal(cache.contextFor(policy, [one], ofNobody), fresh);
    const ofOther = helloOf(sim.ticketName(secret(1), `${scope} other`), isTls13);
    assert.equal(cache.contextFor(policy, [one], ofOther), fresh, 'a ticket of another scope');
    assert.equal(built.length, 2);
  });
}

test('context-cache: secrets come and go', () => {
  const { cache, sim, built } = setup();
  cache.contextFor(policy, [one], plain);
  const scope = built[0]!.ticketScope;
  const set = (secrets: TicketSecrets): void => cache.setSecrets(secrets);
  set({ current: secret(1), previous: null });
  cache.contextFor(policy, [one], plain);
  assert.equal(built.length, 1, 'the same secrets change nothing');
  set({ current: secret(1), previous: secret(9) });
  cache.contextFor(policy, [one], plain);
  assert.equal(built.length, 1, 'another previous one leaves the current one');
  cache.contextFor(policy, [one], helloOf(sim.ticketName(secret(9), scope)));
  assert.deepEqual(built.at(-1)!.ticketSecret, secret(9));
  set({ current: secret(1), previous: secret(8) });
  cache.contextFor(policy, [one], helloOf(sim.ticketName(secret(8), scope)));
  assert.deepEqual(built.at(-1)!.ticketSecret, secret(8));
  set({ current: secret(2), previous: secret(1) });
  cache.contextFor(policy, [one], plain);
  assert.deepEqual(built.at(-1)!.ticketSecret, secret(2));
  const count = built.length;
  cache.contextFor(policy, [one], helloOf(sim.ticketName(secret(9), scope)));
  assert.equal(built.length, count, 'the secret before the previous one is gone');
});

test('context-cache: closes what it does not keep, and nothing else', () => {
  const { cache, sim, built, contexts } = setup(2);
  const closed = (): boolean[] => contexts.map(({ isClosed }) => isClosed);
  const other = certificate('other', ['b.test']);
  cache.contextFor(policy, [one], plain);
  cache.contextFor(policy, [two], plain);
  cache.contextFor(policy, [one], plain);
  assert.deepEqual(closed(), [false, false]);
  cache.contextFor(policy, [other], plain);
  assert.deepEqual(closed(), [false, true, false], 'the one that was used longest ago');
  cache.forget(new Set(['other']));
  assert.deepEqual(closed(), [false, true, true]);
  cache.setSecrets({ current: secret(2), previous: secret(1) });
  assert.deepEqual(closed(), [false, true, true], 'it reads tickets of the previous secret');
  const fresh = cache.contextFor(policy, [one], plain);
  assert.equal(contexts.indexOf(fresh as SimServerContext), 3);
  cache.setSecrets({ current: secret(3), previous: secret(2) });
  assert.deepEqual(closed(), [true, true, true, false]);
  const ofPrevious = helloOf(sim.ticketName(secret(2), built[0]!.ticketScope));
  assert.equal(cache.contextFor(policy, [one], ofPrevious), fresh, 'not built again');
  cache.setSecrets({ current: secret(5), previous: secret(4) });
  assert.deepEqual(closed(), [true, true, true, true, true]);
  assert.equal(cache.size, 0);
});
