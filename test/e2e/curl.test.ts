/** curl as a client; skipped, saying so, where it is missing. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { scratchDirectory } from '../support/subject.ts';

const CURL = '/usr/bin/curl';
const run = promisify(execFile);

let origin: HttpOrigin;
let proxy: Behind;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello</h1>');
    } else if (request.url === '/redirect') {
      response.writeHead(302, { location: '/' }).end();
    } else {
      response.writeHead(200, { 'x-method': request.method ?? '' });
      request.pipe(response);
    }
  });
  proxy = await startInFrontOf(FILE, origin.port);
});

test.after(() => origin.close());

async function curl(...args: string[]): Promise<string> {
  const common = ['--silent', '--show-error', '--max-time', '10'];
  const { stdout } = await run(CURL, [...common, ...args], { maxBuffer: 32_000_000 });
  return stdout;
}

const curlOptions = { skip: fs.existsSync(CURL) ? false : 'curl is not installed' };

test('curl: gets, posts, follows and asks with HEAD', curlOptions, async () => {
  const base = `http://127.0.0.1:${proxy.port}`;
  assert.match(await curl(`${base}/`), /Hello/);
  assert.equal(await curl('--data', 'a=1', `${base}/form`), 'a=1');
  assert.match(await curl('--location', `${base}/redirect`), /Hello/);
  assert.match(await curl('--head', `${base}/`), /^HTTP\/1\.1 200/);
  assert.match(await curl('--http1.0', `${base}/`), /Hello/);
});

test('curl: several URLs on one connection', curlOptions, async () => {
  const base = `http://127.0.0.1:${proxy.port}`;
  const format = ['--write-out', '%{num_connects} '];
  const out = await curl(
    ...format,
    '-d',
    '1',
    `${base}/1`,
    '--next',
    ...format,
    '-d',
    '2',
    `${base}/2`,
  );
  assert.equal(out, '11 20 ');
});

test('curl: uploads a file with Expect, and chunked', curlOptions, async (t) => {
  const directory = scratchDirectory();
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const file = path.join(directory, 'upload');
  const content = 'u'.repeat(3_000_000);
  fs.writeFileSync(file, content);
  const base = `http://127.0.0.1:${proxy.port}`;
  assert.equal(await curl('--upload-file', file, `${base}/put`), content);
  const expects = ['--header', 'Expect: 100-continue', '--expect100-timeout', '9'];
  assert.equal(await curl(...expects, '--data-binary', `@${file}`, `${base}/expect`), content);
  const chunks = ['--header', 'Transfer-Encoding: chunked', '--data-binary', `@${file}`];
  assert.equal(await curl(...chunks, `${base}/chunked`), content);
});
