/** Under a service manager: sockets it opened are used, and it is told how the proxy is. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { bindTcp, bindUnix } from '../../src/app/bound-socket.ts';
import { COMMANDS } from '../../src/app/cli/commands.ts';
import { simpleToml } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { processTree } from '../support/process-tree.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

test('socket activation: sockets that were passed in are served and stay', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  const directory = scratchDirectory();
  t.after(async () => {
    await origin.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const port = await freePort();
  const unixPath = path.join(directory, 'web.sock');
  // Bound only: this process would accept from sockets it listens on.
  const sockets = [
    bindTcp('127.0.0.1', port, false),
    bindUnix(unixPath, null),
    bindUnix(path.join(directory, 'unused.sock'), null),
  ];
  t.after(() => sockets.forEach((socket) => socket.close()));
  const file = path.join(directory, 'proxy-now.toml');
  const text =
    baseToml().replace('workers = 1', 'workers = 2') +
    simpleToml(port, [`http://127.0.0.1:${origin.port}`]) +
    `[listeners.local]\naddress = "unix:${unixPath}"\n`;
  fs.writeFileSync(file, text);
  const fds = sockets.map(({ handle }) => handle.fd);
  // The shell's process id stays when it is replaced by the proxy.
  const script = 'LISTEN_PID=$$ exec "$0" run -c "$1"';
  const proxy = spawn('sh', ['-c', script, PROXY_BINARY, file], {
    stdio: ['ignore', 'pipe', 'pipe', ...fds],
    env: { ...process.env, LISTEN_FDS: '3' },
  });
  const tree = (): number[] => processTree(proxy.pid!);
  let output = '';
  for (const stream of [proxy.stdout, proxy.stderr]) {
    stream!.on('data', (bytes: Buffer) => (output += bytes.toString()));
  }
  const ended = new Promise<number | null>((resolve) => proxy.once('exit', resolve));
  t.after(() => {
    for (const pid of proxy.exitCode === null ? tree().toReversed() : []) {
      process.kill(pid, 'SIGKILL');
    }
  });
  await until(() => output.includes('is ready'), 'the proxy to serve', 20_000);
  const notice = /unused\.sock was passed in, but no listener has that address/;
  await until(() => notice.test(output), 'the notice about the other one');
  const clients = [new RawClient(port), new RawClient(0, unixPath)];
  for (const client of clients) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  }
  t.after(() => clients.forEach((client) => client.destroy()));
  await until(() => clients.every(({ received }) => received.includes('200 OK')), 'answers', 5_000);
  proxy.kill('SIGTERM');
  assert.equal(await ended, 0, output);
  assert.equal(fs.existsSync(unixPath), true, 'not ours to remove');
});

test('service manager: it hears of ready, reload, watchdog and stop', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  const directory = scratchDirectory();
  t.after(async () => {
    await origin.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const port = await freePort();
  const file = path.join(directory, 'proxy-now.toml');
  const told = path.join(directory, 'told');
  fs.writeFileSync(file, baseToml() + simpleToml(port, [`http://127.0.0.1:${origin.port}`]));
  // Stands in for the program of that name, which would need a running systemd.
  fs.writeFileSync(path.join(directory, 'systemd-notify'), `#!/bin/sh\necho "$@" >> '${told}'\n`, {
    mode: 0o755,
  });
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file], {
    PATH: `${directory}:${process.env['PATH']}`,
    NOTIFY_SOCKET: path.join(directory, 'notify'),
    WATCHDOG_USEC: '200000',
  });
  t.after(() => proxy.stop());
  const heard = (): string => (fs.existsSync(told) ? fs.readFileSync(told, 'utf8') : '');
  const count = (text: string): number => heard().split(text).length - 1;
  await until(() => count('READY=1') === 1, 'ready', 20_000);
  assert.equal((await fetchFrom(port, '/')).status, 200);
  assert.match(heard(), /^READY=1 STATUS=serving generation 1$/m);
  await until(() => count('WATCHDOG=1') >= 2, 'the watchdog');
  proxy.signal('SIGHUP');
  await until(() => count('READY=1') === 2, 'the end of the reload');
  assert.match(heard(), /RELOADING=1 MONOTONIC_USEC=\d+ STATUS=reloading\n(.*\n)*READY=1/);
  const [, child] = processTree(proxy.pid);
  process.kill(child!, 'SIGKILL');
  await until(() => count('READY=1') === 3, 'the next process');
  assert.match(heard(), /STATUS=the proxy process ended \(SIGKILL\)/);
  proxy.signal('SIGTERM');
  assert.equal((await proxy.exited).code, 0);
  assert.match(heard(), /STOPPING=1 EXTEND_TIMEOUT_USEC=5000000 STATUS=draining/);
});

test('service unit: it runs commands that there are, with options they know', () => {
  const unit = new URL('../../packaging/systemd/proxy-now.service', import.meta.url);
  const lines = fs.readFileSync(unit, 'utf8').match(/^Exec\w+=.*$/gm) ?? [];
  const names = lines.map((line) => {
    const [, name, option] = /^Exec\w+=\/usr\/local\/bin\/proxy-now (\w+) -(\w) \S+$/.exec(line)!;
    const command = COMMANDS.find((known) => known.name === name);
    assert.ok(
      command?.options.some(({ short }) => short === option),
      line,
    );
    return name;
  });
  assert.deepEqual(names, ['check', 'run', 'reload']);
});
