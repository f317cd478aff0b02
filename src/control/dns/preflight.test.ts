import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeDnsClient } from './fake-dns.contract.ts';
import type { FakeRecord, FakeZone } from './fake-dns.contract.ts';
import { Preflight } from './preflight.ts';
import type { PreflightRequest, ReachResult } from './preflight.ts';

const never = new AbortController().signal;
const REQUEST: PreflightRequest = {
  names: ['www.example.com'],
  challenges: ['http-01', 'tls-alpn-01'],
  caaIdentities: ['letsencrypt.org'],
  accountUri: '',
  isPublicAuthority: true,
};
const ZONE: readonly FakeRecord[] = [
  ['example.com', 'soa', 'ns.example.com'],
  ['example.com', 'ns', 'ns.example.com'],
  ['ns.example.com', 'a', '198.41.0.4'],
];
const ADDRESS: FakeRecord = ['www.example.com', 'a', '93.184.216.34'];

interface World {
  /** What resolvers and the zone's server show. */
  readonly records?: readonly FakeRecord[];
  /** What the zone's server shows, where it is something else; null: it is silent. */
  readonly own?: readonly FakeRecord[] | null;
  readonly reach?: { readonly [kind: string]: ReachResult };
}

async function check(world: World, more: Partial<PreflightRequest> = {}) {
  const records = [...ZONE, ...(world.records ?? [])];
  const servers: Record<string, FakeZone> = { resolver: { records } };
  if (world.own !== null) {
    servers['198.41.0.4:53'] = { records: [...ZONE, ...(world.own ?? world.records ?? [])] };
  }
  const asked: string[] = [];
  const preflight = new Preflight({
    client: new FakeDnsClient(servers),
    resolvers: ['resolver'],
    reach: (name, kind) => {
      asked.push(`${kind} ${name}`);
      return Promise.resolve(world.reach?.[kind] ?? 'reached');
    },
  });
  const found = await preflight.check({ ...REQUEST, ...more }, never);
  const lines = found.map(({ isCertain, message }) => `${isCertain ? '!' : '?'} ${message}`);
  return { lines, asked };
}

test('preflight: nothing is found where nothing is wrong', async () => {
  const { lines, asked } = await check({ records: [ADDRESS] });
  assert.deepEqual(lines, []);
  assert.deepEqual(asked, ['http-01 www.example.com']);
});

test('preflight: a name without an address is certain to fail', async () => {
  const text = 'www.example.com has no A or AAAA record: add one that leads to this proxy';
  assert.deepEqual((await check({})).lines, [`! ${text}`]);
  const isPublicAuthority = false;
  assert.deepEqual((await check({}, { isPublicAuthority })).lines, [`? ${text}`]);
});

test('preflight: a name that only some know yet is a hint', async () => {
  const { lines } = await check({ own: [ADDRESS] });
  assert.match(lines[0]!, /^\? www\.example\.com is known to its DNS servers but not yet/);
  const silent = await check({ own: null });
  assert.match(silent.lines[0]!, /^\? www\.example\.com cannot be resolved/);
});

test('preflight: an address that nobody outside can reach is a hint', async () => {
  for (const [type, address] of [
    ['a', '10.1.2.3'],
    ['a', '127.0.0.1'],
    ['a', '100.64.0.1'],
    ['aaaa', 'fd00:0:0:0:0:0:0:1'],
  ] as const) {
    const { lines } = await check({ records: [['www.example.com', type, address]] });
    assert.match(lines[0] ?? '', /^\? www\.example\.com leads to \S+, which a public/, address);
  }
  const both: FakeRecord[] = [ADDRESS, ['www.example.com', 'a', '10.1.2.3']];
  assert.deepEqual((await check({ records: both })).lines, []);
});

test('preflight: with DNS-01 possible the address does not matter', async () => {
  assert.deepEqual((await check({}, { challenges: ['dns-01', 'http-01'] })).lines, []);
  assert.deepEqual((await check({}, { names: ['*.example.com'] })).lines, []);
  assert.deepEqual((await check({}, { names: ['192.0.2.1', '2001:db8::1'] })).lines, []);
});

test('preflight: ports that do not answer are a hint, and one that does is enough', async () => {
  const records = [ADDRESS];
  const none = await check({
    records,
    reach: { 'http-01': 'elsewhere', 'tls-alpn-01': 'no-answer' },
  });
  assert.deepEqual(none.lines, [
    '? port 80 of www.example.com is answered by something else and port 443 of ' +
      'www.example.com does not answer from here: if that is so from outside too, let the name ' +
      'and the port lead to this proxy',
  ]);
  const one = await check({ records, reach: { 'http-01': 'no-answer' } });
  assert.deepEqual(one.lines, []);
});

test('preflight: CAA records of the nearest name above decide', async () => {
  const caa: FakeRecord = ['example.com', 'caa', '0 issue "digicert.com"'];
  const { lines } = await check({ records: [ADDRESS, caa] });
  assert.deepEqual(lines, [
    '! the CAA records of example.com allow only digicert.com: add `0 issue "letsencrypt.org"` ' +
      'for www.example.com',
  ]);
  const nearer: FakeRecord = ['www.example.com', 'caa', '0 issue "letsencrypt.org"'];
  assert.deepEqual((await check({ records: [ADDRESS, caa, nearer] })).lines, []);
  const wild = await check({ records: [caa] }, { names: ['*.example.com'] });
  assert.match(wild.lines[0]!, /add `0 issuewild "letsencrypt\.org"` for \*\.example\.com$/);
});

test('preflight: DNS that does not answer gives no finding', async () => {
  const preflight = new Preflight({
    client: new FakeDnsClient({}),
    resolvers: ['resolver'],
    reach: null,
  });
  assert.deepEqual(await preflight.check({ ...REQUEST, names: ['*.a.test'] }, never), []);
  const stop = new AbortController();
  stop.abort();
  assert.deepEqual(await preflight.check(REQUEST, stop.signal), []);
});
