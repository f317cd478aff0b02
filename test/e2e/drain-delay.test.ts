/** With `drain-delay`, the proxy says that it is not ready while it still takes what is new. */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { simpleToml } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom, startOrigin } from '../support/http-origin.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { until } from '../support/wait.ts';

const DELAY_MS = 1_500;

test('drain delay: not ready first, refusing only when it is over', async (t) => {
  const origin = await startOrigin((_request, response) => response.end('ok'));
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  fs.writeFileSync(
    file,
    `drain-delay = "${DELAY_MS}ms"\n` +
      baseToml({ admin: `127.0.0.1:${adminPort}` }) +
      simpleToml(port, [`http://127.0.0.1:${origin.port}`]),
  );
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(async () => {
    await proxy.stop();
    await origin.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('is ready'), 'the proxy to serve', 20_000);
  assert.equal((await fetchFrom(adminPort, '/readyz')).status, 200);
  const signalMs = performance.now();
  proxy.signal('SIGTERM');
  const isUnready = async (): Promise<boolean> =>
    (await fetchFrom(adminPort, '/readyz')).status === 503;
  await until(isUnready, 'readiness to end', 1_000);
  let answered = 0;
  const isRefused = async (): Promise<boolean> => {
    try {
      assert.equal((await fetchFrom(port, '/')).status, 200);
      answered++;
      return false;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
      return true;
    }
  };
  await until(isRefused, 'the listener to close', 10_000);
  assert.ok(answered > 0);
  assert.ok(performance.now() - signalMs >= DELAY_MS, 'not before the delay is over');
  assert.equal((await proxy.exited).code, 0);
});
