import assert from 'node:assert/strict';
import test from 'node:test';

import { BrokerClient } from './broker-client.ts';
import type { SocketGrant } from './broker-client.ts';
import type { SocketHandle } from './bound-socket.ts';
import type { FromProxy, SocketAddress } from './orders.ts';
import { ADMIN_WORKER } from './socket-address.ts';

const WEB: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 80 };
const ADMIN: SocketAddress = { kind: 'unix', host: '/run/admin.sock', port: 0 };

function world(identityOf?: (fd: number) => string) {
  const sent: FromProxy[] = [];
  const client = new BrokerClient((message) => sent.push(message), identityOf);
  return { sent, client };
}

function handleOf(fd: number): SocketHandle & { isClosed: boolean } {
  const handle = { fd, isClosed: false, close: () => void (handle.isClosed = true) };
  return handle;
}

test('broker client: an answer reaches who asked, also in another order', async () => {
  const { sent, client } = world();
  const first = client.want(WEB, 0);
  const second = client.want(WEB, 1);
  assert.deepEqual(sent[1], { type: 'want-socket', id: 2, address: WEB, worker: 1 });
  client.onMessage({ type: 'socket', id: 2, port: 81 }, handleOf(8));
  client.onMessage({ type: 'socket', id: 1, port: 80 }, handleOf(7));
  assert.deepEqual(await first, { fd: 7, port: 80 });
  assert.deepEqual(await second, { fd: 8, port: 81 });
});

test('broker client: without a descriptor the caller binds for itself', async () => {
  const { client } = world();
  const grant = client.want(WEB, 0);
  client.onMessage({ type: 'socket', id: 1, port: 80 }, undefined);
  assert.deepEqual(await grant, { fd: -1, port: 80 });
});

test('broker client: a refusal rejects with its reason', async () => {
  const { client } = world();
  const grant = client.want(WEB, 0);
  client.onMessage({ type: 'socket-failed', id: 1, message: 'taken' }, undefined);
  await assert.rejects(grant, { message: 'taken' });
});

test('broker client: only what is given back, or came too late, is closed', async () => {
  const { client } = world();
  const grant = client.want(WEB, 0);
  const handle = handleOf(7);
  client.onMessage({ type: 'socket', id: 1, port: 80 }, handle);
  assert.equal(handle.isClosed, false);
  client.giveBack(await grant);
  assert.equal(handle.isClosed, true);
  const late = handleOf(8);
  client.onMessage({ type: 'socket', id: 1, port: 80 }, late);
  assert.equal(late.isClosed, true);
});

test('broker client: of a thread that ended, only what it never had is closed', async () => {
  const sockets = new Map([
    [7, 'socket 1'],
    [8, 'socket 2'],
  ]);
  const { client } = world((fd) => sockets.get(fd) ?? '');
  const grantOf = async (id: number, handle: SocketHandle): Promise<SocketGrant> => {
    const grant = client.want(WEB, 0);
    client.onMessage({ type: 'socket', id, port: 80 }, handle);
    return grant;
  };
  const [closed, reused, leaked, again] = [handleOf(9), handleOf(8), handleOf(7), handleOf(7)];
  client.reclaim(await grantOf(1, closed));
  const grant = await grantOf(2, reused);
  sockets.set(8, 'a connection');
  client.reclaim(grant);
  const former = await grantOf(3, leaked);
  client.reclaim(former);
  await grantOf(4, again);
  client.reclaim(former);
  assert.deepEqual(
    [closed, reused, leaked, again].map(({ isClosed }) => isClosed),
    [false, false, true, false],
  );
});

test('broker client: admin addresses are always among those that stay open', async () => {
  const { sent, client } = world();
  const admin = client.want(ADMIN, ADMIN_WORKER);
  client.onMessage({ type: 'socket', id: 1, port: 0 }, handleOf(7));
  await admin;
  assert.equal(sent.length, 1, 'nothing may be closed before the listeners are known');
  client.retain([WEB]);
  assert.deepEqual(sent[1], { type: 'addresses', addresses: [WEB, ADMIN] });
  client.releaseAdmin(ADMIN);
  assert.deepEqual(sent[2], { type: 'addresses', addresses: [WEB] });
  const again = client.want(ADMIN, ADMIN_WORKER);
  client.onMessage({ type: 'socket', id: 2, port: 0 }, handleOf(8));
  await again;
  assert.deepEqual(sent.at(-1), { type: 'addresses', addresses: [WEB, ADMIN] });
});

test('broker client: when the supervisor is gone, nobody waits for it', async () => {
  const { client } = world();
  const grant = client.want(WEB, 0);
  const closing = client.closeListeners();
  client.onGone();
  await assert.rejects(grant, { message: '127.0.0.1:80: the supervisor is gone' });
  await closing;
  await assert.rejects(client.want(WEB, 0), /gone/);
  await client.closeListeners();
});
