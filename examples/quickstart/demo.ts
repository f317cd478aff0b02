/**
 * The quick start in one command: both origins, then the proxy in front of them.
 *
 *   node examples/quickstart/demo.ts        (what `npm start` runs)
 *
 * Signals go on to the proxy, which drains; when it has ended, so do the origins.
 */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createApiOrigin } from './api-origin.ts';
import { createSiteOrigin } from './site-origin.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/proxy-now');
const CONFIG = join(import.meta.dirname, 'proxy-now.toml');
/** A terminal and npm may each deliver the same signal: within this time it counts once. */
const SIGNAL_ECHO_MS = 500;

function listen(name: string, server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      const reason = isTaken ? `port ${port} is taken: free it and try again` : error.message;
      reject(new Error(`cannot start the origin '${name}': ${reason}`));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}

/** Starts the proxy in its own process group, so that it gets each signal once: from us. */
function startProxy(): ChildProcess {
  const child = spawn(LAUNCHER, ['run', '-c', CONFIG], { stdio: 'inherit', detached: true });
  let lastSignalMs = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const nowMs = performance.now();
      if (nowMs - lastSignalMs < SIGNAL_ECHO_MS) return;
      lastSignalMs = nowMs;
      child.kill(signal);
    });
  }
  return child;
}

async function main(): Promise<void> {
  const site = createSiteOrigin();
  const api = createApiOrigin();
  try {
    await listen('site', site, 3001);
    await listen('api', api, 3002);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
  console.log('origin site   http://127.0.0.1:3001');
  console.log('origin api    http://127.0.0.1:3002');
  console.log('open          http://localhost:8080   (Ctrl-C stops, a second one aborts)\n');
  const child = startProxy();
  child.on('error', (error) => {
    console.error(`cannot start the proxy: ${error.message}`);
    process.exit(1);
  });
  process.on('exit', () => child.kill());
  child.on('exit', (code) => process.exit(code ?? 1));
}

await main();
