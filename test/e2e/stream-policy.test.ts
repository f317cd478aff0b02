/** A reload changes a route: its tunnels stay or end as the route says, others never notice. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

function route(name: string, more: string): string {
  return `[routes.${name}]\npath = "/${name}"\nservice = "o"\n${more}\n`;
}

async function openTunnel(port: number, target: string): Promise<RawClient> {
  const client = new RawClient(port);
  const fields = 'Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  client.send(`GET ${target} HTTP/1.1\r\n${fields}\r\n`);
  await until(() => client.received.includes('101 Switching'), `the tunnel to ${target}`);
  return client;
}

async function echoes(client: RawClient, text: string): Promise<void> {
  client.send(text);
  await until(() => client.received.includes(`echo ${text}`), `the echo of ${text}`);
}

test('streams: a reload closes tunnels of a changed route that says so only', async (t) => {
  const ends: string[] = [];
  const origin = await startOrigin((_request, response) => void response.end('ok'));
  origin.server.on('upgrade', (request, socket: net.Socket) => {
    socket.write(SWITCHING);
    socket.on('data', (bytes) => socket.write(`echo ${bytes.toString()}`));
    socket.on('error', (error) => ends.push(`${request.url} ${error.message}`));
    socket.on('end', () => {
      ends.push(`${request.url} end`);
      socket.end();
    });
  });
  t.after(() => origin.close());
  const port = await freePort();
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const write = (policy: string, priority: number): void => {
    fs.writeFileSync(
      file,
      `${baseToml({ drainTimeout: '5s' })}[listeners.web]\naddress = "127.0.0.1:${port}"\n` +
        route('changed', `priority = ${priority}\nstreams-on-change = "${policy}"`) +
        route('other', 'streams-on-change = "close"') +
        `[services.o]\nendpoints = ["http://127.0.0.1:${origin.port}"]\n`,
    );
  };
  write('keep', 1);
  const child = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(async () => {
    await child.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await child.ready(/is ready/, 20_000);
  const reloadCount = (): number => child.output.split('configuration applied').length - 1;
  const reload = async (policy: string, priority: number): Promise<void> => {
    const before = reloadCount();
    write(policy, priority);
    child.signal('SIGHUP');
    await until(() => reloadCount() > before, `the reload to ${policy}`);
  };
  const changed = await openTunnel(port, '/changed');
  const other = await openTunnel(port, '/other');

  await reload('keep', 2);
  await echoes(changed, 'kept');
  await echoes(other, 'untouched');

  await reload('close', 3);
  await until(() => changed.closed !== null, 'the tunnel to close');
  assert.equal(changed.closed, 'fin', 'in order, not by a reset');
  await until(() => ends.length === 1, 'its other end to close');
  assert.deepEqual(ends, ['/changed end']);
  await echoes(other, 'still untouched');
  assert.equal(other.closed, null);
  changed.destroy();
  other.destroy();
});
