import test from 'node:test';
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { PacedReader } from './paced-reader.ts';

/** A socket that brings one byte per read and never ends. */
function endless(): Socket {
  const stream = new Duplex({
    read() {
      this.push(Buffer.alloc(1));
    },
    highWaterMark: 1,
  });
  return stream as unknown as Socket;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets the stream bring whatever it is allowed to. */
async function drain(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await nextTurn();
}

test('paced-reader: reads once before the first tick, then what each tick allows', async () => {
  let count = 0;
  const reader = new PacedReader(endless(), 1000, (bytes) => (count += bytes.length));
  await drain();
  assert.equal(count, 1);
  reader.tick(); // A tick is 10 ms: 10 bytes at 1,000 per second.
  await drain();
  assert.equal(count, 11);
  reader.tick();
  await drain();
  assert.equal(count, 21);
  reader.socket.destroy();
});

test('paced-reader: saves up no more than four ticks', async () => {
  let count = 0;
  const reader = new PacedReader(endless(), 1000, (bytes) => (count += bytes.length));
  for (let tick = 0; tick < 50; tick++) reader.tick();
  await drain();
  assert.equal(count, 40);
  reader.socket.destroy();
});
