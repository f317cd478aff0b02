/**
 * Killed between any two steps of an order, and started again on what is on the disk: one account,
 * one certificate, no lost key. The store throws at each write in turn, just before it or just
 * after; whatever the client does then changes nothing on the disk any more.
 */

import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { test } from 'node:test';

import { AcmeStage, FastClock } from '../support/acme-stage.ts';
import { MemoryStores, type KillMoment } from '../support/acme-stores.ts';
import { ChallengeServer } from '../support/challenge-server.ts';
import { FakeCa } from '../support/fake-ca.ts';

const NAMES = ['a.example.com', 'b.example.com'];
const KILLS_MAX = 60;

interface Outcome {
  /** False: the order ended before that write. */
  readonly wasKilled: boolean;
  readonly orders: number;
}

/** Kills at write `killAt`, then goes on. Everything that must hold is checked. */
async function killAt(
  write: number,
  moment: KillMoment,
  board: ChallengeServer,
): Promise<Outcome> {
  const ca = await FakeCa.start({ ports: { http: board.httpPort, tls: board.tlsPort } });
  const stores = new MemoryStores();
  const clock = new FastClock();
  const start = (): AcmeStage => new AcmeStage({ directory: ca.directory, stores, board, clock });
  stores.killAt = write;
  stores.killMoment = moment;
  const where = `write ${write}, ${moment}`;
  const first = start();
  const before = await first.issue(NAMES).catch(() => null);
  first.close();
  const wasKilled = stores.isKilled;
  assert.equal(wasKilled, before === null, `${where}: fails only because it was killed`);
  stores.revive();
  const second = start();
  const issued = await second.issue(NAMES);
  second.close();
  assert.equal(ca.book.accounts.length, 1, `${where}: one account`);
  assert.equal(ca.book.certificates.length, 1, `${where}: one certificate`);
  assert.ok(ca.book.orders.length <= 2, `${where}: ${ca.book.orders.length} orders`);
  const leaf = new X509Certificate(issued.chain);
  assert.ok(leaf.checkPrivateKey(createPrivateKey(issued.key)), `${where}: its key`);
  assert.equal(board.shown.size, 0, `${where}: nothing is shown any more`);
  await issued.settle!();
  assert.deepEqual(stores.keys('order'), [], `${where}: no order is left`);
  assert.equal(stores.keys('account').length, 1);
  await ca.stop();
  return { wasKilled, orders: ca.book.orders.length };
}

for (const moment of ['before', 'after'] as const) {
  test(`resume: goes on with the same order, killed ${moment} any write`, async () => {
    const board = await ChallengeServer.start();
    const second: number[] = [];
    let write = 1;
    try {
      for (; write <= KILLS_MAX; write++) {
        const { wasKilled, orders } = await killAt(write, moment, board);
        if (!wasKilled) break;
        if (orders === 2) second.push(write);
      }
    } finally {
      await board.stop();
    }
    assert.ok(write > 12 && write < KILLS_MAX, `${write} writes`);
    // Only who is killed before it has written down the URL of an order makes another one.
    assert.ok(second.length <= (moment === 'before' ? 1 : 0), `two orders at ${second.join()}`);
  });
}
