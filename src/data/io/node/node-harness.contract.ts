/**
 * What tests of the `node` backend share: a backend with everything a test has to end, and a
 * listener with its clients.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { IoHarness } from '../backend-pair.contract.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import type { ListenTarget, Listening } from '../backend.ts';
import { NodeBackend } from './node-backend.ts';
import type { NodeBackendOptions } from './node-backend.ts';

const LIMIT_MS = 20_000;

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface NodeHarness extends IoHarness {
  readonly backend: NodeBackend;
}

/** @param memoryMax of the slab */
export function open(
  memoryMax = 67_108_864,
  options: Partial<NodeBackendOptions> = {},
): NodeHarness {
  const backend = new NodeBackend({
    memoryMax,
    wallMs: () => 0,
    random: () => 0.5,
    isDebug: true,
    ...options,
  });
  const folder = mkdtempSync(join(tmpdir(), 'proxy-now-'));
  let pathCount = 0;
  return {
    backend,
    slab: backend.chunks,
    async until(isDone, what) {
      const endMs = backend.nowMs() + LIMIT_MS;
      while (!isDone()) {
        await turn();
        assert.ok(backend.nowMs() < endMs, `waited for ${what}`);
      }
    },
    async settle() {
      for (let i = 0; i < 50; i++) await turn();
    },
    unixPath: () => join(folder, `${pathCount++}.sock`),
    close() {
      backend.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const LOOPBACK: ListenTarget = { kind: 'tcp', host: '127.0.0.1', port: 0, fd: -1 };

export interface Served {
  readonly harness: NodeHarness;
  readonly listening: Listening;
  readonly servers: BackendProbe[];
  connect(): Promise<BackendProbe>;
}

/** A harness that listens, runs `check`, and looks for leaks when everything is closed. */
export async function serve(
  harness: NodeHarness,
  check: (served: Served) => Promise<void>,
  target: ListenTarget = LOOPBACK,
): Promise<void> {
  const { backend } = harness;
  const servers: BackendProbe[] = [];
  const clients: BackendProbe[] = [];
  let isListening = false;
  const listening = backend.listen(target, {
    onListening: () => (isListening = true),
    onAccept(connection) {
      const server = new BackendProbe(backend);
      server.connection = connection;
      connection.events = server;
      servers.push(server);
    },
    onError: (message) => assert.fail(message),
  });
  try {
    await harness.until(() => isListening, 'listening');
    const open = async (): Promise<BackendProbe> => {
      const client = new BackendProbe(backend);
      const host = target.host === '::' ? '127.0.0.1' : target.host;
      const count = servers.length;
      client.connection = backend.connect({ kind: 'tcp', host, port: listening.port }, client);
      clients.push(client);
      await harness.until(() => client.isOpen && servers.length > count, 'open');
      return client;
    };
    await check({ harness, listening, servers, connect: open });
    listening.close();
    for (const probe of [...servers, ...clients]) probe.connection.abort();
    await harness.until(() => [...servers, ...clients].every((p) => p.closeCount === 1), 'closed');
    assert.deepEqual(harness.slab.leaks(), []);
    assert.equal(backend.reads.bulkCount, 0);
  } finally {
    listening.close();
    for (const probe of [...servers, ...clients]) probe.connection.abort();
    await harness.close();
  }
}
