import assert from 'node:assert/strict';
import test from 'node:test';

import type { SocketHandle } from './bound-socket.ts';
import { passedSockets, unixPath } from './socket-activation.ts';
import type { ActivationWorld } from './socket-activation.ts';

function tcp(fd: number, address: string, port: number): SocketHandle {
  return {
    fd,
    getsockname: (out) => {
      Object.assign(out, { address, port });
      return 0;
    },
    close: () => assert.fail('never ours to close'),
  };
}

const PIPE: SocketHandle = { fd: 4, close: () => assert.fail('never ours to close') };

const WORLD: ActivationWorld = {
  pid: 42,
  handleOf: (fd) => {
    if (fd === 3) return tcp(3, '::', 443);
    if (fd === 4) return PIPE;
    throw new TypeError('Unsupported fd type: FILE');
  },
  pathOf: (fd) => (fd === 4 ? '/run/web.sock' : null),
};

test('activation: descriptors from 3 on, with the addresses they have', () => {
  const { sockets, problems } = passedSockets({ LISTEN_PID: '42', LISTEN_FDS: '2' }, WORLD);
  assert.deepEqual(
    sockets.map(({ address }) => address),
    [
      { kind: 'tcp', host: '::', port: 443 },
      { kind: 'unix', host: '/run/web.sock', port: 0 },
    ],
  );
  assert.deepEqual(problems, []);
});

test('activation: what is no stream socket is told, the others are used', () => {
  const { sockets, problems } = passedSockets({ LISTEN_PID: '42', LISTEN_FDS: '3' }, WORLD);
  assert.equal(sockets.length, 2);
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^descriptor 5 /);
});

test('activation: sockets for another process, or none, are left alone', () => {
  for (const env of [
    {},
    { LISTEN_FDS: '2' },
    { LISTEN_PID: '41', LISTEN_FDS: '2' },
    { LISTEN_PID: '42' },
    { LISTEN_PID: '42', LISTEN_FDS: 'x' },
    { LISTEN_PID: '42', LISTEN_FDS: '-1' },
  ]) {
    assert.deepEqual(passedSockets(env, WORLD), { sockets: [], problems: [] });
  }
});

test('activation: a unix socket is found by its inode', () => {
  const table =
    'Num       RefCount Protocol Flags    Type St Inode Path\n' +
    '0000000000000000: 00000002 00000000 00010000 0001 01  1234 /run/a b.sock\n' +
    '0000000000000000: 00000003 00000000 00000000 0001 03 12345\n' +
    '0000000000000000: 00000002 00000000 00010000 0001 01   777 @abstract\n';
  assert.equal(unixPath(table, '1234'), '/run/a b.sock');
  assert.equal(unixPath(table, '12345'), null);
  assert.equal(unixPath(table, '777'), null);
  assert.equal(unixPath(table, '123'), null);
});
