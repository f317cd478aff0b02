/**
 * Free loopback ports for servers that must know their port before they start.
 *
 * Ports are drawn below the range the kernel uses for outgoing connections, so that nobody's
 * client socket takes one between the check and the start. Servers of our own listen on 0.
 */

import net from 'node:net';
import { randomInt } from 'node:crypto';

const FIRST_PORT = 10_240;
const LAST_PORT = 32_700;
const ATTEMPTS_MAX = 200;
const handedOut = new Set<number>();

/** Listens on port 0 of 127.0.0.1 and resolves with the port. */
export function listenLoopback(server: net.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', 1_024, () => {
      server.removeListener('error', reject);
      resolve((server.address() as net.AddressInfo).port);
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port nobody listens on now; never the same one twice in a process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('no free loopback port');
}

/** `count` different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}
