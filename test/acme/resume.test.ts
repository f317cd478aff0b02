/**
 * Killed between any two steps of an order, and started again on what is on the disk: one account,
 * one certificate, no lost key. The store throws at each write in turn, just before it or just
 * after; whatever the client does then changes nothing on the disk any more.
 */

import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { test } from 'node:test';

import type { IssuedCertificate } from '../../src/control/certificate/issuer.ts';
import { AcmeClientStage, FastClock } from '../support/acme-client-stage.ts';
import { MemoryStores, type KillMoment } from '../support/acme-stores.ts';
import { ChallengeServer } from '../support/challenge-server.ts';
import { FakeCa } from '../support/fake-ca.ts';
import type { CaBook } from '../support/fake-ca-book.ts';

const NAMES = ['a.example.com', 'b.example.com'];
const KILLS_MAX = 60;

interface Outcome {
  /** False: the order ended before that write. */
  readonly wasKilled: boolean;
  /** The URL of the first order was lost: the process ended before it was written down. */
  readonly isOrderLost: boolean;
}

/** Kills at write `write`, then goes on. Everything that must hold is checked. */
async function killAt(write: number, moment: KillMoment, board: ChallengeServer): Promise<Outcome> {
  const ca = await FakeCa.start({ ports: { http: board.httpPort, tls: board.tlsPort } });
  const stores = new MemoryStores();
  const clock = new FastClock();
  const stages: AcmeClientStage[] = [];
  const issue = (): Promise<IssuedCertificate> => {
    const stage = new AcmeClientStage({ directory: ca.directory, stores, board, clock });
    stages.push(stage);
    return stage.issue(NAMES);
  };
  stores.killAt = write;
  stores.killMoment = moment;
  const where = `write ${write}, ${moment}`;
  try {
    const before = await issue().catch(() => null);
    const wasKilled = stores.isKilled;
    assert.equal(wasKilled, before === null, `${where}: fails only because it was killed`);
    stores.revive();
    const issued = await issue();
    const isOrderLost = checkBook(ca.book, where);
    const leaf = new X509Certificate(issued.chain);
    assert.ok(leaf.checkPrivateKey(createPrivateKey(issued.key)), `${where}: its key`);
    assert.equal(board.shown.size, 0, `${where}: nothing is shown any more`);
    await issued.settle!();
    assert.deepEqual(stores.keys('order'), [], `${where}: no order is left`);
    assert.equal(stores.keys('account').length, 1);
    return { wasKilled, isOrderLost };
  } finally {
    for (const stage of stages) stage.close();
    await ca.stop();
  }
}

/** What the authority has in the end. @returns as in Outcome */
function checkBook(book: CaBook, where: string): boolean {
  assert.equal(book.accounts.length, 1, `${where}: one account`);
  assert.equal(book.certificates.length, 1, `${where}: one certificate`);
  const [order, ...others] = book.orders;
  const statuses = order!.authorizations.map(({ status }) => status);
  const isOrderLost = others.length === 1 && statuses.every((status) => status === 'pending');
  // The authority may have looked while there was nobody to answer.
  const isOrderFailed = others.length === 1 && statuses.includes('invalid');
  assert.ok(others.length === 0 || isOrderLost || isOrderFailed, `${where}: ${statuses.join()}`);
  return isOrderLost;
}

for (const moment of ['before', 'after'] as const) {
  test(`resume: goes on with the same order, killed ${moment} any write`, async () => {
    const board = await ChallengeServer.start();
    const lost: number[] = [];
    let write = 1;
    try {
      for (; write <= KILLS_MAX; write++) {
        const { wasKilled, isOrderLost } = await killAt(write, moment, board);
        if (!wasKilled) break;
        if (isOrderLost) lost.push(write);
      }
    } finally {
      await board.stop();
    }
    assert.ok(write > 12 && write < KILLS_MAX, `${write} writes`);
    // No more than the one write that is the URL itself.
    assert.equal(lost.length, moment === 'before' ? 1 : 0, `lost at ${lost.join()}`);
  });
}
