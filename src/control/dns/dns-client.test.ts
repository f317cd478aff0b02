import assert from 'node:assert/strict';
import test from 'node:test';
import { DnsClient, parseServer } from './dns-client.ts';
import { RecordType } from './dns-message.ts';
import { FakeDnsServer } from './fake-dns.contract.ts';
import type { FakeZone } from './fake-dns.contract.ts';

const ZONE: FakeZone = { records: [['a.test', 'txt', 'hello']] };
const never = new AbortController().signal;

async function withServers(
  count: number,
  run: (client: DnsClient, servers: readonly FakeDnsServer[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new FakeDnsServer(structuredClone(ZONE)).open()),
  );
  try {
    await run(new DnsClient({ timeoutMs: 100, tries: 1 }), servers);
  } finally {
    for (const server of servers) server.close();
  }
}

const texts = (message: { answers: readonly { text: string }[] }): string[] =>
  message.answers.map(({ text }) => text);

test('dns client: an answer over UDP is taken', () =>
  withServers(1, async (client, [server]) => {
    const answer = await client.resolve([server!.address], 'a.test', RecordType.txt, never);
    assert.deepEqual(texts(answer), ['hello']);
    assert.equal(server!.overTcp, 0);
  }));

test('dns client: a name that is not there is an answer too', () =>
  withServers(1, async (client, [server]) => {
    for (const code of [3, 4]) {
      server!.zone.code = code;
      const answer = await client.resolve([server!.address], 'b.test', RecordType.txt, never);
      assert.equal(answer.code, code);
    }
  }));

test('dns client: a truncated answer is asked for again over TCP', () =>
  withServers(1, async (client, [server]) => {
    server!.mode = 'truncated';
    const answer = await client.resolve([server!.address], 'a.test', RecordType.txt, never);
    assert.deepEqual(texts(answer), ['hello']);
    assert.equal(server!.overTcp, 1);
  }));

test('dns client: an answer with another id or question, or that is none, does not count', () =>
  withServers(1, async (client, [server]) => {
    for (const mode of ['wrong-id', 'other-question', 'noise', 'silent'] as const) {
      server!.mode = mode;
      await assert.rejects(
        client.resolve([server!.address], 'a.test', RecordType.txt, never),
        { name: 'DnsQueryError', message: /a\.test: 127\.0\.0\.1:\d+ did not answer/ },
        mode,
      );
    }
  }));

test('dns client: the next server is asked when one fails or does not answer', () =>
  withServers(3, async (client, [silent, failing, good]) => {
    silent!.mode = 'silent';
    failing!.zone.records.length = 0;
    failing!.zone.code = 2;
    const servers = [silent!.address, failing!.address, good!.address];
    assert.deepEqual(texts(await client.resolve(servers, 'a.test', 16, never)), ['hello']);
    await assert.rejects(client.resolve(servers.slice(0, 2), 'a.test', 16, never), /SERVFAIL/);
  }));

test('dns client: ids and ports differ from question to question', () =>
  withServers(1, async (client, [server]) => {
    for (let i = 0; i < 12; i++) await client.ask(server!.address, 'a.test', 16, true, never);
    assert.ok(new Set(server!.ids).size > 9, String(server!.ids));
    assert.ok(new Set(server!.ports).size > 4, String(server!.ports));
  }));

test('dns client: a question that is broken off ends at once', () =>
  withServers(1, async (_client, [server]) => {
    server!.mode = 'silent';
    const client = new DnsClient({ timeoutMs: 60_000 });
    const stop = new AbortController();
    const asking = client.resolve([server!.address], 'a.test', 16, stop.signal);
    setImmediate(() => stop.abort());
    await assert.rejects(asking, { name: 'DnsProviderError', message: 'broken off' });
    await assert.rejects(client.ask(server!.address, 'a.test', 16, true, stop.signal), /broken/);
  }));

test('dns client: a port that nobody listens on, and a name that is none', async () => {
  const client = new DnsClient({ timeoutMs: 2_000, tries: 1 });
  const server = await new FakeDnsServer(ZONE).open();
  server.close();
  await assert.rejects(client.ask(server.address, 'a.test', 16, true, never), /ECONNREFUSED|did/);
  await assert.rejects(client.ask('127.0.0.1:9', 'a..b', 16, true, never), /no name/);
  await assert.rejects(client.resolve([], 'a.test', 16, never), /no DNS server/);
});

test('dns client: server addresses in all their spellings', () => {
  const rows: [string, string | null][] = [
    ['192.0.2.1', '192.0.2.1 53'],
    ['192.0.2.1:5353', '192.0.2.1 5353'],
    ['ns.example.com:54', 'ns.example.com 54'],
    ['2001:db8::1', '2001:db8::1 53'],
    ['[2001:db8::1]', '2001:db8::1 53'],
    ['[2001:db8::1]:54', '2001:db8::1 54'],
    ['[nonsense]:54', null],
    ['192.0.2.1:0', null],
    ['192.0.2.1:65536', null],
    ['', null],
  ];
  for (const [text, expected] of rows) {
    const parsed = parseServer(text);
    assert.equal(parsed === null ? null : `${parsed.host} ${parsed.port}`, expected, text);
  }
});
