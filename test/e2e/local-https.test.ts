/** HTTPS for local names: `to`, `trust`, and the programs that people use. */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { BROWSER_TEST, openBrowser } from '../support/browser.ts';
import { Child } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';

const isRoot = process.getuid?.() === 0;
const hasCurl = spawnSync('curl', ['--version']).error === undefined;
const hasCertutil = spawnSync('certutil', ['--version']).error === undefined;

/** A user who has never started the proxy, with what is to be proxied. */
async function startUser(t: test.TestContext) {
  const home = scratchDirectory();
  const env = { HOME: home, XDG_STATE_HOME: path.join(home, 'state') };
  const origin = await startOrigin((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<title>local</title>hello');
  });
  const port = await freePort();
  const command = (...args: readonly string[]) => run(PROXY_BINARY, args, env);
  t.after(async () => {
    await command('untrust');
    await origin.close();
    fs.rmSync(home, { recursive: true, force: true });
  });
  const start = async (): Promise<Child> => {
    const args = ['to', String(origin.port), '--listen', `https://localhost:${port}`];
    const child = new Child(PROXY_BINARY, args, env);
    t.after(() => child.stop());
    await child.ready(/is ready/, 20_000);
    await child.ready(/certificate obtained/, 20_000);
    return child;
  };
  return { home, start, command, url: `https://localhost:${port}/` };
}

interface Ended {
  readonly code: number;
  /** Standard output alone. */
  readonly text: string;
  readonly output: string;
}

/** Runs a program; the loop goes on meanwhile, as the origin is served by it. */
function run(program: string, args: readonly string[], env: object = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 20_000 };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1);
      resolve({ code, text: stdout, output: `${stdout}${stderr}` });
    });
  });
}

function curl(url: string, ...args: readonly string[]): Promise<Ended> {
  return run('curl', ['-sS', '--max-time', '10', ...args, url]);
}

test(
  'local https: after `trust`, curl accepts `to --listen https://localhost` without flags',
  { skip: hasCurl ? false : 'curl is not installed', timeout: 60_000 },
  async (t) => {
    const user = await startUser(t);
    const proxy = await user.start();
    assert.match(proxy.output, /after `proxy-now trust`/);
    assert.equal((await curl(user.url)).code, 60, 'not trusted before');
    const root = path.join(user.home, 'root.pem');
    fs.writeFileSync(root, (await user.command('trust', '--print')).text);
    for (const host of ['localhost', '127.0.0.1']) {
      const { code, text } = await curl(user.url.replace('localhost', host), '--cacert', root);
      assert.equal(code, 0, host);
      assert.match(text, /hello/);
    }
    if (!isRoot) return t.diagnostic('the system store is not changed: not root');
    const trusted = await user.command('trust', '--only', 'system');
    assert.equal(trusted.code, 0, trusted.output);
    assert.match(trusted.output, /installed {2}the system/);
    assert.match((await curl(user.url)).text, /hello/);
    assert.equal((await user.command('untrust')).code, 0);
    assert.equal((await curl(user.url)).code, 60, 'not trusted any more');
  },
);

test(
  'local https: after `trust`, Chromium accepts it without flags',
  { ...BROWSER_TEST, skip: BROWSER_TEST.skip || (!hasCertutil && 'certutil is not installed') },
  async (t) => {
    const user = await startUser(t);
    await user.start();
    const open = async (): Promise<string> => {
      const browser = await openBrowser({ HOME: user.home });
      try {
        const page = await browser.newPage();
        await page.goto(user.url, { timeout: 30_000 });
        return await page.title();
      } finally {
        await browser.close();
      }
    };
    await assert.rejects(open(), /ERR_CERT_AUTHORITY_INVALID/);
    const { code, output } = await user.command('trust', '--only', 'browsers');
    assert.equal(code, 0, output);
    assert.match(output, /installed {2}Chromium/);
    assert.equal(await open(), 'local');
  },
);

test('local https: the authority outlives the proxy, and its keys are for the owner', async (t) => {
  const user = await startUser(t);
  const before = await user.command('trust', '--print');
  assert.equal(before.code, 0, before.output);
  const proxy = await user.start();
  await proxy.stop();
  assert.equal((await user.command('trust', '--print')).text, before.text);
  const storage = path.join(user.home, 'state/proxy-now/storage');
  const files = fs.readdirSync(storage, { recursive: true, withFileTypes: true });
  assert.ok(files.some((file) => file.name.endsWith('.key')));
  for (const file of files) {
    const mode = fs.statSync(path.join(file.parentPath, file.name)).mode & 0o777;
    assert.equal(mode, file.isDirectory() ? 0o700 : 0o600, file.name);
  }
});
