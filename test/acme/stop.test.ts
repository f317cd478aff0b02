/**
 * A proxy that stops during an order leaves nothing behind: the record in DNS is taken away, and
 * nobody has to wait for its locks. An authority that never answers does not hold it up.
 */

import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { Child } from '../support/child.ts';
import { FakeCa } from '../support/fake-ca.ts';
import { freePorts } from '../support/free-port.ts';
import { PROXY_BINARY } from '../support/proxy.ts';

function configText(directory: string, program: string, resolver: number, port: number): string {
  return `[storage]
path = "store"
[admin]
address = "off"
socket = "off"
[listeners.secure]
address = "127.0.0.1:${port}"
tls = "default"
[issuers.ca]
directory = "${directory}"
challenges = ["dns-01"]
[issuers.ca.dns]
provider = "exec"
program = "${program}"
resolvers = ["127.0.0.1:${resolver}"]
check-propagation = false
[routes.a]
host = "a.example.com"
service = "s"
[services.s]
endpoints = ["http://127.0.0.1:9"]
`;
}

/** A resolver that knows nothing, and says so. */
async function openEmptyResolver(t: TestContext): Promise<number> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (question, { port, address }) => {
    const answer = Buffer.from(question);
    answer.writeUInt16BE(0x8183, 2); // A response: there is no such name.
    socket.send(answer, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => socket.close());
  return socket.address().port;
}

test(
  'stop: an order under way cleans up before the process ends',
  { timeout: 30_000 },
  async (t) => {
    const [port] = (await freePorts(1)) as [number];
    const folder = mkdtempSync(join(tmpdir(), 'stop-'));
    const program = join(folder, 'dns.sh');
    const record = join(folder, 'record');
    const text = `[ "$1" = add ] && echo > ${record} || { sleep 0.5; rm -f ${record}; }`;
    writeFileSync(program, `#!/bin/sh\n${text}\n`);
    chmodSync(program, 0o755);
    const file = join(folder, 'proxy-now.toml');
    const resolver = await openEmptyResolver(t);
    const ca = await FakeCa.start({ ports: null });
    const reached = Promise.withResolvers<void>();
    const never = Promise.withResolvers<void>();
    ca.intercept = async (what) => {
      if (what !== 'challenge') return;
      reached.resolve();
      await never.promise;
    };
    writeFileSync(file, configText(ca.directory, program, resolver, port));
    const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
    t.after(async () => {
      await proxy.stop();
      never.resolve();
      await ca.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    await proxy.ready(/is ready/, 20_000);
    await reached.promise;
    assert.ok(existsSync(record));
    const { code } = await proxy.stop();
    assert.equal(code, 0, proxy.output);
    assert.equal(existsSync(record), false, 'the record is taken away');
    assert.deepEqual(readdirSync(join(folder, 'store', 'locks')), []);
  },
);
