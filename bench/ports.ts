/**
 * Loopback ports for one run: picked below the kernel's ephemeral range, so that the outgoing
 * connections of a load generator can never take one before its peer binds it.
 */

import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning, logTail } from './process-keeper.ts';
import type { KeptProcess } from './process-keeper.ts';

const PORT_MIN = 18_000;
const PORT_MAX = 30_000;
const ATTEMPTS_MAX = 200;
const READY_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

const taken = new Set<number>();

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * A port of 127.0.0.1 that is free now and was not handed out before.
 * @throws after 200 misses
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (taken.has(port) || !(await canBind(port))) continue;
    taken.add(port);
    return port;
  }
  throw new Error('no free port on 127.0.0.1');
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/**
 * Returns once `port` accepts connections.
 * @throws with the last lines of its log when the process ends first or 20 s pass
 */
export async function waitForPort(port: number, kept: KeptProcess): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < READY_TIMEOUT_MS) {
    if (!isRunning(kept)) throw new Error(`${kept.name} ended at once:\n${logTail(kept)}`);
    if (await canConnect(port)) return;
    await delay(POLL_MS);
  }
  throw new Error(`${kept.name} does not listen on port ${port}:\n${logTail(kept)}`);
}
