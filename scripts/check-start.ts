/**
 * Checks the first thing a newcomer does: `npm start` serves http://localhost:8080 in time, with
 * its page, its JSON, its events and its WebSocket, and ends when asked to.
 *
 *   node scripts/check-start.ts
 *
 * Needs the ports 8080, 3001 and 3002. Exit code 1 on any failure; never runs over a minute.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const BASE = 'http://localhost:8080';
const START_MS_MAX = 5_000;
const STEP_MS_MAX = 5_000;
const STOP_MS_MAX = 35_000;
const ABORT_MS = 2_000;
const POLL_MS = 50;

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(BASE + path, { ...init, signal: AbortSignal.timeout(STEP_MS_MAX) });
}

/** Asks until the page answers 200. @returns milliseconds since `startedMs` */
async function waitForPage(startedMs: number): Promise<number> {
  for (;;) {
    try {
      const response = await request('/');
      const page = await response.text();
      if (response.status === 200) {
        assert.match(page, /<title>Proxy Now: quick start<\/title>/);
        return performance.now() - startedMs;
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    const spentMs = performance.now() - startedMs;
    assert.ok(spentMs < START_MS_MAX, `no page within ${START_MS_MAX} ms`);
    await delay(POLL_MS);
  }
}

async function checkEcho(): Promise<void> {
  const response = await request('/api/echo?a=1', { headers: { 'x-forwarded-for': '192.0.2.1' } });
  const seen = (await response.json()) as { target: string; fields: [string, string][] };
  assert.equal(seen.target, '/api/echo?a=1');
  const values = (name: string): string[] =>
    seen.fields.filter((field) => field[0].toLowerCase() === name).map((field) => field[1]);
  assert.deepEqual(values('host'), ['localhost:8080']);
  assert.deepEqual(values('x-forwarded-proto'), ['http']);
  assert.equal(values('x-forwarded-for').length, 1);
  assert.doesNotMatch(values('x-forwarded-for')[0]!, /192\.0\.2\.1/, 'a spoofed address passed');
}

async function checkUpload(): Promise<void> {
  const response = await request('/api/upload', { method: 'PUT', body: Buffer.alloc(3_000_000) });
  const { size } = (await response.json()) as { size: number };
  assert.equal(size, 3_000_000);
}

async function checkEvents(): Promise<void> {
  const response = await request('/api/sse');
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  assert.match(Buffer.from(value!).toString(), /^id: 1\n/);
  await reader.cancel();
}

async function checkWebSocket(): Promise<void> {
  const socket = new WebSocket(`${BASE.replace('http', 'ws')}/api/ws`);
  const signal = AbortSignal.timeout(STEP_MS_MAX);
  await once(socket, 'open', { signal });
  socket.send('hello');
  const [event] = (await once(socket, 'message', { signal })) as [MessageEvent];
  assert.equal(event.data, 'hello');
  socket.close(1000);
  const [closed] = (await once(socket, 'close', { signal })) as [CloseEvent];
  assert.equal(closed.code, 1000);
}

async function main(): Promise<void> {
  const startedMs = performance.now();
  // A process group of its own, so that nothing is left behind whatever happens.
  const child = spawn('npm', ['start', '--silent'], {
    cwd: join(import.meta.dirname, '..'),
    stdio: 'inherit',
    detached: true,
  });
  const exited = once(child, 'exit');
  try {
    const gone = exited.then(() => assert.fail('npm start ended by itself'));
    const readyMs = await Promise.race([waitForPage(startedMs), gone]);
    gone.catch(() => undefined); // From here on it is meant to end.
    console.log(`✔ page after ${Math.round(readyMs)} ms`);
    for (const check of [checkEcho, checkUpload, checkEvents, checkWebSocket]) {
      await check().catch((error: unknown) => {
        throw new Error(`${check.name} failed`, { cause: error });
      });
      console.log(`✔ ${check.name}`);
    }
    process.kill(-child.pid!, 'SIGTERM');
    await waitForEnd(child.pid!);
    await exited;
    await assert.rejects(request('/'), 'port 8080 still answers');
    console.log('✔ stopped');
  } finally {
    await stopAll(child);
  }
}

/** npm may be gone before what it started: waits for the last process of the group. */
async function waitForEnd(group: number): Promise<void> {
  const startedMs = performance.now();
  while (isRunning(group)) {
    const spentMs = performance.now() - startedMs;
    assert.ok(spentMs < STOP_MS_MAX, `still running ${STOP_MS_MAX} ms after SIGTERM`);
    await delay(POLL_MS);
  }
}

function isRunning(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

/** Leaves nothing behind: asks twice (the second signal aborts), then kills the group. */
async function stopAll(child: ChildProcess): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
    if (!isRunning(child.pid!)) return;
    process.kill(-child.pid!, signal);
    for (let spentMs = 0; spentMs < ABORT_MS && isRunning(child.pid!); spentMs += POLL_MS) {
      await delay(POLL_MS);
    }
  }
}

try {
  await main();
} catch (error) {
  console.error('✖', error);
  process.exitCode = 1;
}
