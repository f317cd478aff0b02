import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { parseHosts } from './hosts-file.ts';
import { NameResolver } from './name-resolver.ts';

/** Names the test's DNS server knows; others do not exist, `slow.test` gets no answer. */
const ZONE: Readonly<Record<string, readonly string[]>> = {
  'one.test': ['192.0.2.1'],
  'two.test': ['192.0.2.1', '192.0.2.2'],
};

interface DnsServer {
  readonly socket: Socket;
  readonly address: string;
  readonly asked: string[];
}

function nameIn(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let size = query[at]!; size > 0; size = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function answer(query: Buffer, name: string, end: number): Buffer {
  const isFour = query.readUInt16BE(end - 4) === 1;
  const known = ZONE[name];
  const addresses = isFour ? (known ?? []) : [];
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180 | (known === undefined ? 3 : 0), 2); // NXDOMAIN is 3.
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, ...records]);
}

async function startDns(): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, end } = nameIn(query);
    asked.push(name);
    if (name !== 'slow.test') socket.send(answer(query, name, end), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { socket, address: `127.0.0.1:${socket.address().port}`, asked };
}

async function withResolver(
  check: (resolver: NameResolver, dns: DnsServer, hostsPath: string) => Promise<void>,
): Promise<void> {
  const dns = await startDns();
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-'));
  const hostsPath = join(folder, 'hosts');
  let nowMs = 0;
  const nextMs = (): number => (nowMs += 10_000); // Each look-up reads the hosts file again.
  try {
    const servers = [dns.address];
    const resolver = new NameResolver({ nowMs: nextMs, hostsPath, servers });
    await check(resolver, dns, hostsPath);
    resolver.close();
  } finally {
    dns.socket.close();
    rmSync(folder, { recursive: true });
  }
}

function ask(resolver: NameResolver, name: string): Promise<readonly string[]> {
  return new Promise((resolve) => resolver.resolve(name, resolve));
}

test('hosts file: reads names in any case, skips comments and what is no address', () => {
  const hosts = parseHosts(
    '# comment\n127.0.0.1 localhost Web # web.old\n\n::1\tlocalhost\n10.0.0.1 web\nnonsense web\n' +
      '10.0.0.1 web\n127.0.0.1',
  );
  assert.deepEqual(hosts.get('localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(hosts.get('web'), ['127.0.0.1', '10.0.0.1']);
  assert.equal(hosts.get('web.old'), undefined);
  assert.equal(hosts.size, 2);
});

test('name resolver: asks DNS and gives every address', () =>
  withResolver(async (resolver) => {
    assert.deepEqual(await ask(resolver, 'one.test'), ['192.0.2.1']);
    assert.deepEqual((await ask(resolver, 'Two.test')).toSorted(), ['192.0.2.1', '192.0.2.2']);
  }));

test('name resolver: prefers the hosts file, and sees it change', () =>
  withResolver(async (resolver, dns, hostsPath) => {
    writeFileSync(hostsPath, '10.9.9.9 one.test localhost');
    assert.deepEqual(await ask(resolver, 'one.test'), ['10.9.9.9']);
    assert.deepEqual(await ask(resolver, 'localhost'), ['10.9.9.9']);
    assert.deepEqual(dns.asked, []);
    rmSync(hostsPath);
    assert.deepEqual(await ask(resolver, 'one.test'), ['192.0.2.1']);
  }));

test('name resolver: keeps what the hosts file said while it cannot be read', () =>
  withResolver(async (resolver, dns, hostsPath) => {
    writeFileSync(hostsPath, '10.9.9.9 one.test');
    assert.deepEqual(await ask(resolver, 'one.test'), ['10.9.9.9']);
    rmSync(hostsPath);
    mkdirSync(hostsPath); // Reading a folder fails, as reading without descriptors does.
    assert.deepEqual(await ask(resolver, 'one.test'), ['10.9.9.9']);
    assert.deepEqual(dns.asked, []);
  }));

test('name resolver: answers localhost and numeric addresses without DNS', () =>
  withResolver(async (resolver, dns) => {
    assert.deepEqual(await ask(resolver, 'app.localhost'), ['127.0.0.1', '::1']);
    assert.deepEqual(await ask(resolver, '2001:db8::1'), ['2001:db8::1']);
    assert.deepEqual(dns.asked, []);
  }));

test('name resolver: a name without an answer does not delay the others', () =>
  withResolver(async (resolver) => {
    const slow: (readonly string[])[] = [];
    for (let i = 0; i < 20; i++) resolver.resolve('slow.test', (found) => slow.push(found));
    assert.deepEqual(await ask(resolver, 'one.test'), ['192.0.2.1']);
    assert.equal(slow.length, 0);
  }));

test('name resolver: asks once when many want the same name at once', () =>
  withResolver(async (resolver, dns) => {
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(resolver, 'one.test')));
    for (const found of all) assert.deepEqual(found, ['192.0.2.1']);
    assert.ok(dns.asked.length <= 2, 'one question for each address family');
  }));

test('name resolver: fails names beyond the limit of questions on the way', () =>
  withResolver(async (resolver) => {
    const waiting: (readonly string[])[] = [];
    for (let i = 0; i < 1_024; i++) {
      resolver.resolve(`127.0.${i >> 8}.${i & 255}`, (found) => waiting.push(found));
    }
    assert.deepEqual(await ask(resolver, 'one.test'), []);
  }));
