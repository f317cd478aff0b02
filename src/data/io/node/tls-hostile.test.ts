import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';

import { Prng } from '../../../base/prng.ts';
import { Fault } from '../../../contract/fault.ts';
import { isOver } from '../backend-pair.contract.ts';
import { open, turn } from './node-harness.contract.ts';
import type { NodeHarness } from './node-harness.contract.ts';
import { clientTls, serverTls } from './tls-fixtures.contract.ts';
import { connectTls, withTlsListener } from './tls-harness.contract.ts';

/** What happens to a connection after so many bytes of one direction. */
interface Mischief {
  readonly isForward: boolean;
  readonly after: number;
  readonly how: 'flip' | 'insert' | 'cut' | 'end' | 'reset';
}

interface Meddler {
  readonly port: number;
  mischief: Mischief;
  close(): void;
}

/** A relay that does something to one byte of what it passes on. */
async function meddler(harness: NodeHarness, port: number): Promise<Meddler> {
  const sockets: Socket[] = [];
  const own: { mischief: Mischief } = { mischief: { isForward: true, after: 0, how: 'flip' } };
  const pass = (from: Socket, to: Socket, mischief: Mischief | null): void => {
    let size = 0;
    from.on('data', (bytes: Buffer) => {
      const at = mischief === null ? -1 : mischief.after - size;
      size += bytes.length;
      if (mischief === null || at < 0 || at >= bytes.length) to.write(bytes);
      else meddle(mischief.how, bytes, at, to);
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
  };
  const relay = createServer({ allowHalfOpen: true }, (front) => {
    const back = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(front, back);
    const { mischief } = own;
    pass(front, back, mischief.isForward ? mischief : null);
    pass(back, front, mischief.isForward ? null : mischief);
  });
  relay.listen(0, '127.0.0.1');
  await harness.until(() => relay.address() !== null, 'the relay');
  return Object.assign(own, {
    port: (relay.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      relay.close();
    },
  });
}

function meddle(how: Mischief['how'], bytes: Buffer, at: number, to: Socket): void {
  if (how === 'flip') {
    bytes[at]! ^= 0x41;
    to.write(bytes);
  } else if (how === 'insert') {
    to.write(Buffer.concat([bytes.subarray(0, at), Buffer.alloc(7, 0x2a), bytes.subarray(at)]));
  } else {
    to.write(bytes.subarray(0, at));
    if (how === 'end') to.end();
    if (how === 'reset') to.resetAndDestroy();
  }
}

const HOWS = ['flip', 'insert', 'cut', 'end', 'reset'] as const;
const ROUNDS = 120;
const SIZE = 3_000;

for (const version of ['1.2', '1.3'] as const) {
  test(`TLS ${version}: meddled bytes end in a fault, or arrive as they were`, () => {
    const harness = open();
    const context = serverTls(harness.backend, { maxVersion: version });
    return withTlsListener(harness, context, async ({ port, servers }) => {
      const prng = new Prng(version === '1.2' ? 12 : 13);
      const relay = await meddler(harness, port);
      const client = clientTls(harness.backend);
      let failedCount = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const how = HOWS[round % HOWS.length]!;
        relay.mischief = { isForward: prng.chance(0.5), after: prng.integer(0, 6_000), how };
        const index = servers.length;
        const probe = connectTls(harness, relay.port, client);
        probe.expectedSeed = 2;
        probe.write(1, SIZE);
        await harness.until(() => servers.length > index || isOver(probe), 'the connection');
        const server = servers[index];
        if (server !== undefined) {
          server.expectedSeed = 1;
          server.onOpened = () => harness.backend.defer(() => server.send(2, SIZE, 'nothing'));
        }
        // The bytes may be held back for ever: then time is up for both, as for their owners.
        const isDone = (): boolean => isOver(probe) || probe.receivedSize === SIZE;
        for (let turns = 0; turns < 300 && !isDone(); turns++) await turn();
        if (isOver(probe)) {
          failedCount++;
          assert.notEqual(probe.fault, Fault.none, `${how} in round ${round}`);
        }
        probe.call((connection) => connection.abort());
        server?.call((connection) => connection.abort());
        const isEnd = (): boolean => isOver(probe) && (server === undefined || isOver(server));
        await harness.until(isEnd, 'both ends');
      }
      assert.ok(failedCount > ROUNDS / 4, `${failedCount} connections failed`);
      relay.close();
    });
  });
}
