/**
 * The contract suite of IO backends: the ways a connection ends.
 */

import assert from 'node:assert/strict';

import { Fault } from '../../contract/fault.ts';
import { isOver, useEverything } from './backend-pair.contract.ts';
import type { Check, Pair } from './backend-pair.contract.ts';

export const CLOSING_CHECKS: readonly (readonly [string, Check])[] = [
  ['goes on writing to a peer that has ended, from either side', checkHalfClose],
  ['sends FIN behind everything queued when ended', checkEndFlushes],
  ['shows the peer a reset, and never an end, when reset', checkReset],
  ['resets although it has ended with bytes queued', checkResetAfterEnd],
  ['closes once when ended and reset in one go', checkEndReset],
  ['closes once with aborted, and is harmless after', checkAbort],
  ['flushes, then closes both ends when closed', checkClose],
  ['gives the peer its answer when closed with bytes unread', checkCloseUnread],
  ['drops the rest when aborted while closing', checkAbortWhileClosing],
];

async function checkHalfClose({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  client.expectedSeed = 2;
  server.resume();
  client.send(1, 1_000, 'end');
  await harness.until(() => server.hasEnded, 'the end of the client');
  assert.equal(server.receivedSize, 1_000);
  await harness.settle();
  assert.equal(server.closeCount, 0);
  server.send(2, 1_000_000, 'end');
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(client.receivedSize, 1_000_000);
  assert.equal(client.hasEnded, true);
  assert.equal(client.fault, Fault.none);
  assert.equal(server.fault, Fault.none);
}

async function checkEndFlushes({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  let size = 0;
  while (client.write(1, 60_000, size)) size += 60_000;
  size += 60_000; // The one that made it say false is sent as well.
  client.call((connection) => connection.end());
  assert.equal(client.write(1, 10), false, 'nothing can be written behind FIN');
  await harness.settle();
  server.resume();
  await harness.until(() => server.hasEnded, 'the end');
  assert.equal(server.receivedSize, size);
}

async function checkReset({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  server.call((connection) => connection.reset());
  assert.equal(server.connection.isClosed, true);
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.fault, Fault.aborted);
  assert.equal(client.fault, Fault.upstreamReset);
  assert.equal(client.hasEnded, false);
}

async function checkResetAfterEnd({ harness, client, server }: Pair): Promise<void> {
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.end());
  client.call((connection) => connection.reset());
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
  server.resume();
  await harness.until(() => isOver(server), 'the server to close');
  assert.equal(server.fault, Fault.upstreamReset);
  assert.equal(server.hasEnded, false);
}

async function checkEndReset({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  client.write(1, 100);
  client.call((connection) => connection.end());
  client.call((connection) => connection.reset());
  client.call((connection) => connection.reset());
  await harness.until(() => isOver(client), 'the client to close');
  // FIN may have been on its way already; a socket at its end does not see the reset.
  await harness.until(() => server.hasEnded || isOver(server), 'the server to notice');
  assert.equal(client.fault, Fault.aborted);
}

async function checkAbort({ harness, client, server }: Pair): Promise<void> {
  server.resume();
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.abort());
  assert.equal(client.connection.isClosed, true);
  assert.equal(client.closeCount, 0);
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
  useEverything(client);
  await harness.until(() => server.hasEnded || isOver(server), 'the server to notice');
  await harness.settle();
  assert.equal(client.closeCount, 1);
}

async function checkClose({ harness, client, server }: Pair): Promise<void> {
  server.expectedSeed = 1;
  let size = 60_000;
  while (client.write(1, 60_000, size - 60_000)) size += 60_000;
  client.call((connection) => connection.close());
  assert.equal(client.connection.isClosed, true);
  server.resume();
  server.onEnded = () => server.call((connection) => connection.end());
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.receivedSize, size);
  assert.equal(client.fault, Fault.none);
  assert.equal(server.fault, Fault.none);
}

async function checkCloseUnread({ harness, client, server }: Pair): Promise<void> {
  client.expectedSeed = 2;
  client.pause();
  client.send(1, 400_000); // Nobody is going to read this.
  await harness.settle();
  server.send(2, 1_000, 'close');
  await harness.settle();
  client.resume();
  await harness.until(() => client.hasEnded, 'the end of the answer');
  assert.equal(client.receivedSize, 1_000);
  assert.equal(server.receivedSize, 0, 'reading stops with close');
  client.call((connection) => connection.close());
  await harness.until(() => isOver(client) && isOver(server), 'both to close');
  assert.equal(server.fault, Fault.none);
}

async function checkAbortWhileClosing({ harness, client }: Pair): Promise<void> {
  while (client.write(1, 60_000)) assert.ok(!client.connection.isClosed);
  client.call((connection) => connection.close());
  await harness.settle();
  assert.equal(client.closeCount, 0);
  client.call((connection) => connection.abort());
  await harness.until(() => isOver(client), 'the client to close');
  assert.equal(client.fault, Fault.aborted);
}
