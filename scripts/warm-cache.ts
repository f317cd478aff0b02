/**
 * Fills the compile cache of a checkout by starting the proxy once, so that the first start of a
 * person is as quick and small as every later one. Runs after `npm ci`; a failure costs nothing.
 */

import { spawn } from 'node:child_process';

const TIMEOUT_MS = 20_000;

const child = spawn('bin/proxy-now', ['to', '1', '--listen', '127.0.0.1:0'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
const timeout = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
child.stdout.on('data', (bytes: Buffer) => {
  if (bytes.includes('ready')) child.kill('SIGTERM');
});
child.on('error', () => clearTimeout(timeout));
child.on('exit', () => clearTimeout(timeout));
