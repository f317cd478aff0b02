import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import type { AdminHost } from '../control/admin/admin-api.ts';
import { createLogger } from '../control/admin/logger.ts';
import type { AdminConfig } from '../control/config/config.ts';
import { AdminListeners } from './admin-listeners.ts';
import type { SocketGrant } from './broker-client.ts';
import type { SocketAddress } from './orders.ts';

/** Admin listeners whose first `refusals` requests for a socket are refused. */
function world(t: test.TestContext, refusals: number) {
  const folder = mkdtempSync(join(tmpdir(), 'admin-'));
  const path = join(folder, 'admin.sock');
  const wanted: SocketAddress[] = [];
  const lines: string[] = [];
  const { promise: isOn, resolve } = Promise.withResolvers<void>();
  const listeners = new AdminListeners({
    broker: {
      want: (address): Promise<SocketGrant> => {
        wanted.push(address);
        if (wanted.length <= refusals) return Promise.reject(new Error('taken'));
        return Promise.resolve({ fd: -1, port: 0 });
      },
      releaseAdmin: () => {},
    },
    logger: createLogger({
      level: 'info',
      format: 'text',
      wallMs: () => 0,
      write: (line) => {
        lines.push(line);
        if (line.includes('is on after all')) resolve();
      },
    }),
    host: {} as AdminHost,
    configPath: '',
    retryMs: 1,
  });
  t.after(async () => {
    await listeners.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const config: AdminConfig = { address: null, socket: path, token: null, tls: null };
  return { listeners, config, path, wanted, lines, isOn };
}

test('admin listeners: one that cannot be opened is tried again until it can be', async (t) => {
  const { listeners, config, path, wanted, lines, isOn } = world(t, 3);
  assert.equal(await listeners.use(config, []), 0, 'nobody waits for it');
  await isOn;
  await once(connect({ path }).resume().end(), 'connect');
  assert.equal(wanted.length, 4);
  assert.equal(lines.filter((line) => line.includes('is off')).length, 1, 'told once');
});

test('admin listeners: what is not wanted any more is not tried again', async (t) => {
  const { listeners, config, wanted } = world(t, Infinity);
  await listeners.use(config, []);
  await listeners.use({ ...config, socket: 'off' }, []);
  const { length } = wanted;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(wanted.length, length);
});

test('admin listeners: an address for TLS stays shut without a certificate', async (t) => {
  const { listeners, config, wanted, lines } = world(t, 0);
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const tls = { certificate: 'admin', clientCa: [] };
  assert.equal(await listeners.use({ ...config, socket: 'off', address, tls }, []), 0);
  assert.equal(wanted.length, 0);
  assert.match(lines.join(''), /is off.*certificate admin is not there/);
});
