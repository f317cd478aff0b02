/**
 * DNS UPDATE against BIND: the zone walk, records beside others, TSIG, propagation.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDnsSolver } from '../../src/control/dns/create-dns-solver.ts';
import { DnsClient } from '../../src/control/dns/dns-client.ts';
import { RecordType } from '../../src/control/dns/dns-message.ts';
import { dnsTools } from '../../src/control/dns/dns-tools.ts';
import { hasNamed, NameServer } from '../support/name-server.ts';

const skip = hasNamed() ? false : 'named (BIND) is not installed';
const never = new AbortController().signal;

/** TXT values that the server itself shows. */
async function values(server: NameServer, name: string): Promise<string[]> {
  const answer = await new DnsClient().ask(server.address, name, RecordType.txt, false, never);
  return answer.answers.map(({ text }) => text).toSorted();
}

function solver(server: NameServer, settings: Record<string, string> = {}, nowMs = Date.now) {
  const config = {
    provider: 'rfc2136' as const,
    settings: {
      server: server.address,
      'key-name': server.keyName,
      'key-secret': server.keySecret,
      'key-algorithm': server.keyAlgorithm,
      ...settings,
    },
    resolvers: [server.address],
    propagationTimeoutMs: 10_000,
    propagationDelayMs: 0,
    checkPropagation: true,
    ttlSeconds: 60,
  };
  return createDnsSolver(config, dnsTools(nowMs));
}

async function withNamed(
  algorithm: NameServer['keyAlgorithm'],
  run: (server: NameServer) => Promise<void>,
): Promise<void> {
  const server = await NameServer.start('example.test', algorithm);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

test('rfc2136: values are added beside others, seen, and removed by value', { skip }, () =>
  withNamed('hmac-sha256', async (server) => {
    const subject = solver(server);
    const name = 'www.example.test';
    const owner = `_acme-challenge.${name}`;
    await subject.add({ name, value: 'one' }, never);
    await subject.add({ name, value: 'two' }, never);
    await subject.add({ name, value: 'two' }, never);
    await subject.waitUntilSeen({ name, value: 'one' }, never);
    await subject.waitUntilSeen({ name, value: 'two' }, never);
    assert.deepEqual(await values(server, owner), ['one', 'two']);
    await subject.remove({ name, value: 'one' }, never);
    assert.deepEqual(await values(server, owner), ['two']);
    await subject.remove({ name, value: 'one' }, never);
    await subject.remove({ name, value: 'two' }, never);
    assert.deepEqual(await values(server, owner), []);
  }),
);

test('rfc2136: a CNAME leads to the place of the record', { skip }, () =>
  withNamed('hmac-sha512', async (server) => {
    const subject = solver(server);
    await subject.add({ name: 'alias.example.test', value: 'v' }, never);
    assert.deepEqual(await values(server, 'target.deep.example.test'), ['v']);
    await subject.waitUntilSeen({ name: 'alias.example.test', value: 'v' }, never);
    await subject.remove({ name: 'alias.example.test', value: 'v' }, never);
    assert.deepEqual(await values(server, 'target.deep.example.test'), []);
  }),
);

test('rfc2136: a wrong key, a wrong clock and a wrong zone are sentences', { skip }, () =>
  withNamed('hmac-sha256', async (server) => {
    const challenge = { name: 'www.example.test', value: 'v' };
    const secret = Buffer.alloc(32, 1).toString('base64');
    const rows: [ReturnType<typeof solver>, RegExp][] = [
      [solver(server, { 'key-secret': secret }), /\(NOTAUTH\): .*same (one|TSIG key)/],
      [solver(server, { 'key-name': 'unknown' }), /\(NOTAUTH\): the server does not know a TSIG/],
      [solver(server, {}, () => Date.now() + 3_600_000), /\(NOTAUTH\): the clocks here and there/],
    ];
    for (const [subject, message] of rows) {
      const error = await subject.add(challenge, never).catch((reason: unknown) => reason);
      assert.ok(error instanceof Error && error.name === 'DnsProviderError');
      assert.match(error.message, message);
      assert.ok(!error.message.includes(secret) && !error.message.includes(server.keySecret));
    }
    await assert.rejects(
      solver(server).add({ name: 'www.denied.test', value: 'v' }, never),
      /refused to change denied\.test \(REFUSED\): does its key have the right/,
    );
    assert.deepEqual(await values(server, '_acme-challenge.www.example.test'), []);
  }),
);
