import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { bindTcp } from './bound-socket.ts';
import { ADMIN_WORKER } from './socket-address.ts';
import type { SocketAddress } from './orders.ts';
import { SocketBroker } from './socket-broker.ts';
import type { PassedSocket, SocketGrant } from './socket-broker.ts';

const ANY_PORT: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, name: 'web' };

function brokerOf(t: test.TestContext, passed: readonly PassedSocket[] = []): SocketBroker {
  const broker = new SocketBroker(passed);
  t.after(() => broker.close());
  return broker;
}

async function want(
  broker: SocketBroker,
  address: SocketAddress,
  worker: number,
): Promise<SocketGrant> {
  let granted: SocketGrant | null = null;
  await broker.want(address, worker, (grant) => {
    granted = grant;
    return Promise.resolve();
  });
  return granted!;
}

function folderOf(t: test.TestContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'broker-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Answers whether the socket that is behind the grant now is still open. */
function watch(grant: SocketGrant): () => boolean {
  const link = `/proc/self/fd/${grant.handle!.fd}`;
  const socket = fs.readlinkSync(link);
  return () => fs.existsSync(link) && fs.readlinkSync(link) === socket;
}

/** A port that somebody else listens on. */
async function usedPort(t: test.TestContext): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as net.AddressInfo).port;
}

test('broker: one socket per worker on one port, the same one each time', async (t) => {
  const broker = brokerOf(t);
  const first = await want(broker, ANY_PORT, 0);
  const second = await want(broker, ANY_PORT, 1);
  const again = await want(broker, { ...ANY_PORT }, 0);
  assert.notEqual(first.port, 0);
  assert.equal(second.port, first.port);
  assert.notEqual(second.handle, first.handle);
  assert.equal(again.handle, first.handle);
});

test('broker: two listeners that let the system choose get different ports', async (t) => {
  const broker = brokerOf(t);
  const web = await want(broker, ANY_PORT, 0);
  const other = await want(broker, { ...ANY_PORT, name: 'other' }, 0);
  assert.notEqual(web.port, other.port);
});

test('broker: an address that is in use is refused with it and the reason', async (t) => {
  const port = await usedPort(t);
  const address: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port };
  await assert.rejects(want(brokerOf(t), address, 0), {
    message: `127.0.0.1:${port}: address already in use (EADDRINUSE)`,
  });
});

/** A worker that accepts on `port`. */
async function acceptOn(t: test.TestContext, host: string, port: number): Promise<net.Server> {
  const worker = net.createServer().listen({ host, port, reusePort: true });
  t.after(() => worker.close());
  await new Promise((resolve) => worker.once('listening', resolve));
  return worker;
}

test('broker: a listener moves between one address and all addresses of its port', async (t) => {
  const broker = brokerOf(t);
  const { port } = await want(broker, ANY_PORT, 0);
  await broker.retain([]);
  const one: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port };
  const all: SocketAddress = { kind: 'tcp', host: '::', port };
  await want(broker, one, 0);
  const worker = await acceptOn(t, one.host, port);
  assert.equal((await want(broker, all, 0)).port, port);
  await broker.retain([all]);
  worker.close();
  await acceptOn(t, all.host, port);
  assert.equal((await want(broker, one, 0)).port, port);
});

test('broker: an address comes back while workers still close what they had of it', async (t) => {
  const broker = brokerOf(t);
  const { port } = await want(broker, ANY_PORT, 0);
  const worker = await acceptOn(t, '127.0.0.1', port);
  await broker.retain([]);
  const again = want(broker, { kind: 'tcp', host: '127.0.0.1', port }, 0);
  setTimeout(() => worker.close(), 50);
  assert.equal((await again).port, port);
});

test('broker: clients of a listener never reach the administration', async (t) => {
  const broker = brokerOf(t);
  await want(broker, ANY_PORT, 0);
  await assert.rejects(want(broker, ANY_PORT, ADMIN_WORKER), /a listener has this address/);
  await broker.retain([]);
  assert.notEqual((await want(broker, ANY_PORT, ADMIN_WORKER)).handle, null);
});

test('broker: what the administration shares with a listener is closed with it', async (t) => {
  const broker = brokerOf(t);
  const isOpen = watch(await want(broker, ANY_PORT, ADMIN_WORKER));
  await want(broker, ANY_PORT, 0);
  broker.closeListeners();
  assert.equal(isOpen(), false);
});

test('broker: after a refusal the next request is answered', async (t) => {
  const broker = brokerOf(t);
  const nowhere: SocketAddress = { kind: 'tcp', host: '192.0.2.1', port: 1 };
  await assert.rejects(want(broker, nowhere, 0), /^Error: 192\.0\.2\.1:1: no interface/);
  assert.notEqual((await want(broker, ANY_PORT, 0)).handle, null);
});

test('broker: closes addresses that are gone, keeps the others', async (t) => {
  const broker = brokerOf(t);
  const keptIsOpen = watch(await want(broker, ANY_PORT, 0));
  const goneIsOpen = watch(await want(broker, { ...ANY_PORT, name: 'gone' }, 0));
  await broker.retain([ANY_PORT]);
  assert.equal(goneIsOpen(), false);
  assert.equal(keptIsOpen(), true);
});

test('broker: closes nothing while an answer is on its way', async (t) => {
  const broker = brokerOf(t);
  const { promise: arrival, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: sent, resolve: send } = Promise.withResolvers<() => boolean>();
  const slow = broker.want(ANY_PORT, 0, (grant) => {
    send(watch(grant));
    return arrival;
  });
  const retained = broker.retain([]);
  const isOpen = await sent;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isOpen(), true);
  arrive();
  await slow;
  await retained;
  assert.equal(isOpen(), false);
});

test('broker: sockets of workers that no longer exist are closed', async (t) => {
  const broker = brokerOf(t);
  const firstIsOpen = watch(await want(broker, ANY_PORT, 0));
  const secondIsOpen = watch(await want(broker, ANY_PORT, 1));
  await broker.limitWorkers(1);
  assert.equal(firstIsOpen(), true);
  assert.equal(secondIsOpen(), false);
});

test('broker: a stop closes listeners and keeps the administration', async (t) => {
  const broker = brokerOf(t);
  const webIsOpen = watch(await want(broker, ANY_PORT, 0));
  const adminIsOpen = watch(await want(broker, { ...ANY_PORT, name: 'admin' }, ADMIN_WORKER));
  broker.closeListeners();
  assert.equal(webIsOpen(), false);
  assert.equal(adminIsOpen(), true);
  await assert.rejects(want(broker, ANY_PORT, 0), /stopping/);
});

test('broker: a unix socket is one for all workers; its file goes with it', async (t) => {
  const broker = brokerOf(t);
  const file = path.join(folderOf(t), 'web.sock');
  const address: SocketAddress = { kind: 'unix', host: file, port: 0 };
  const first = await want(broker, address, 0);
  assert.equal((await want(broker, address, 1)).handle, first.handle);
  assert.equal(fs.statSync(file).isSocket(), true);
  await broker.retain([]);
  assert.equal(fs.existsSync(file), false);
});

test("broker: the administration's unix socket is its owner's alone", async (t) => {
  const file = path.join(folderOf(t), 'admin.sock');
  const before = process.umask();
  await want(brokerOf(t), { kind: 'unix', host: file, port: 0 }, ADMIN_WORKER);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.equal(process.umask(), before);
});

test('broker: a socket file nobody answers on is replaced', async (t) => {
  const broker = brokerOf(t);
  const file = path.join(folderOf(t), 'web.sock');
  // Bound but not listening: as refused as one whose process died.
  const stale = new SocketBroker();
  await want(stale, { kind: 'unix', host: file, port: 0 }, 0);
  fs.linkSync(file, `${file}.kept`); // So that the next one gets another number.
  const { ino } = fs.statSync(file);
  await want(broker, { kind: 'unix', host: file, port: 0 }, 0);
  assert.equal(fs.statSync(file).isSocket(), true);
  assert.notEqual(fs.statSync(file).ino, ino);
});

test('broker: a socket file somebody answers on, and any other file, stay', async (t) => {
  const folder = folderOf(t);
  const used = path.join(folder, 'used.sock');
  const server = net.createServer().listen(used);
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const plain = path.join(folder, 'plain');
  fs.writeFileSync(plain, 'text');
  const broker = brokerOf(t);
  await assert.rejects(want(broker, { kind: 'unix', host: used, port: 0 }, 0), {
    message: `unix:${used}: another process listens on it`,
  });
  await assert.rejects(want(broker, { kind: 'unix', host: plain, port: 0 }, 0), {
    message: `unix:${plain}: it exists and cannot be taken over`,
  });
  assert.equal(fs.readFileSync(plain, 'utf8'), 'text');
});

test('broker: a socket that was passed in serves all workers of its address', async (t) => {
  const own = bindTcp('127.0.0.1', 0, false);
  t.after(() => own.close());
  const address: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: own.port };
  const other: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 1 };
  const broker = brokerOf(t, [
    { address, handle: own.handle },
    { address: other, handle: own.handle },
  ]);
  assert.equal((await want(broker, address, 0)).handle, own.handle);
  assert.equal((await want(broker, address, 1)).handle, own.handle);
  assert.deepEqual(broker.unused, [other]);
  const isOpen = watch({ port: own.port, handle: own.handle });
  await broker.retain([]);
  assert.equal(isOpen(), true, 'it is not ours to close');
  assert.deepEqual(broker.unused, [address, other], 'but who connects there should be known');
});
