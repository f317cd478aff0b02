/** Clients people use: curl and a browser. Each is skipped, saying so, where it is missing. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { WebSocketServer } from 'ws';
import { FILE, startInFrontOf, type Behind } from '../support/behind.ts';
import { startOrigin, type HttpOrigin } from '../support/http-origin.ts';
import { scratchDirectory } from '../support/subject.ts';

const CURL = '/usr/bin/curl';
const CHROMIUM = '/usr/bin/chromium';
const run = promisify(execFile);

const PAGE = `<!doctype html><meta charset="utf-8"><title>Through the proxy</title>
<link rel="stylesheet" href="/style.css"><h1>Hello</h1><script>
window.result = (async () => {
  const posted = await (await fetch('/echo', { method: 'POST', body: 'from the page' })).text();
  const event = await new Promise((resolve) => {
    const source = new EventSource('/events');
    source.onmessage = (message) => { source.close(); resolve(message.data); };
  });
  const echoed = await new Promise((resolve) => {
    const socket = new WebSocket('ws://' + location.host + '/ws');
    socket.onopen = () => socket.send('browser');
    socket.onmessage = (message) => resolve(message.data);
  });
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) =>
    fetch('/echo', { method: 'POST', body: String(i) }).then((response) => response.text())));
  return { posted, event, echoed, many: many.join() };
})();
</script>`;

let origin: HttpOrigin;
let proxy: Behind;

test.before(async () => {
  origin = await startOrigin((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    } else if (request.url === '/style.css') {
      response.writeHead(200, { 'content-type': 'text/css' }).end('h1 { color: rgb(1, 2, 3) }');
    } else if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: tick\n\n');
    } else if (request.url === '/redirect') {
      response.writeHead(302, { location: '/' }).end();
    } else {
      response.writeHead(200, { 'x-method': request.method ?? '' });
      request.pipe(response);
    }
  });
  const sockets = new WebSocketServer({ server: origin.server, path: '/ws' });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}`)));
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

const browserOptions = {
  skip: fs.existsSync(CHROMIUM) ? false : 'Chromium is not installed',
  timeout: 60_000,
};

test(
  'chromium: loads a page with style, fetch, events and a WebSocket',
  browserOptions,
  async () => {
    const { chromium } = await import('playwright-core');
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('requestfailed', (request) => problems.push(`failed ${request.url()}`));
      page.on('response', (response) => {
        const isIcon = response.url().endsWith('favicon.ico');
        if (response.status() >= 400 && !isIcon) problems.push(`${response.status()}`);
      });
      await page.goto(`http://127.0.0.1:${proxy.port}/`);
      assert.equal(await page.title(), 'Through the proxy');
      const result = await page.evaluate('window.result');
      assert.deepEqual(result, {
        posted: 'from the page',
        event: 'tick',
        echoed: 'browser',
        many: Array.from({ length: 30 }, (_, i) => i).join(),
      });
      const color = await page.evaluate('getComputedStyle(document.querySelector("h1")).color');
      assert.equal(color, 'rgb(1, 2, 3)');
      assert.deepEqual(
        problems.filter((problem) => !problem.includes('/events')),
        [],
      );
    } finally {
      await browser.close();
    }
  },
);
