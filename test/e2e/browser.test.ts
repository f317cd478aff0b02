/** A browser loads pages through the proxy: one of our own, and the one of the quick start. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { createApiOrigin } from '../../examples/quickstart/api-origin.ts';
import { createSiteOrigin } from '../../examples/quickstart/site-origin.ts';
import { startBehind, startInFrontOf } from '../support/behind.ts';
import { BROWSER_TEST, openBrowser, watchProblems } from '../support/browser.ts';
import { startOrigin } from '../support/http-origin.ts';

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

async function openPage(t: test.TestContext): Promise<{ page: Page; problems: string[] }> {
  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  return { page, problems: watchProblems(page) };
}

test('browser: style, fetch, events and a WebSocket pass', BROWSER_TEST, async (t) => {
  const origin = await startOrigin((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    } else if (request.url === '/style.css') {
      response.writeHead(200, { 'content-type': 'text/css' }).end('h1 { color: rgb(1, 2, 3) }');
    } else if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: tick\n\n');
    } else {
      request.pipe(response.writeHead(200));
    }
  });
  t.after(() => origin.close());
  const sockets = new WebSocketServer({ server: origin.server, path: '/ws' });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}`)));
  const proxy = await startInFrontOf(t, origin.port);
  const { page, problems } = await openPage(t);
  await page.goto(`http://127.0.0.1:${proxy.port}/`);
  assert.equal(await page.title(), 'Through the proxy');
  assert.deepEqual(await page.evaluate('window.result'), {
    posted: 'from the page',
    event: 'tick',
    echoed: 'browser',
    many: Array.from({ length: 30 }, (_, i) => i).join(),
  });
  const color = await page.evaluate('getComputedStyle(document.querySelector("h1")).color');
  assert.equal(color, 'rgb(1, 2, 3)');
  // The page itself closes its event stream, which the browser reports as an aborted request.
  assert.deepEqual(
    problems.filter((problem) => !problem.includes('/events')),
    [],
  );
});

async function listen(t: test.TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const QUICKSTART = new URL('../../examples/quickstart/proxy-now.toml', import.meta.url);

test('browser: the quick start page is alive through its own file', BROWSER_TEST, async (t) => {
  const sitePort = await listen(t, createSiteOrigin());
  const apiPort = await listen(t, createApiOrigin());
  const proxy = await startBehind(
    t,
    ([port]) =>
      fs
        .readFileSync(QUICKSTART, 'utf8')
        .replace(':8080"', `127.0.0.1:${port}"`)
        .replace('127.0.0.1:3001', `127.0.0.1:${sitePort}`)
        .replace('127.0.0.1:3002', `127.0.0.1:${apiPort}`),
    { transport: { 'response-head-timeout': '10s', 'progress-timeout': '10s' } },
  );
  const { page, problems } = await openPage(t);
  await page.goto(`http://127.0.0.1:${proxy.port}/`);
  const reads = async (id: string, pattern: RegExp): Promise<void> => {
    const test = `${pattern}.test(document.getElementById('${id}').textContent)`;
    await page.waitForFunction(test, undefined, { timeout: 15_000 });
  };
  await reads('way-api', new RegExp(`127\\.0\\.0\\.1:${apiPort}`));
  await reads('clock', /[0-9][0-9]:[0-9][0-9]/);
  await reads('echo-log', /hello/);
  await reads('field-rows', /X-Forwarded-For/i);
  await page.click('#download');
  await reads('stream-state', /received 64 MiB/);
  assert.equal(await page.evaluate('document.getElementById("progress").value'), 1);
  await page.click('#upload');
  await reads('stream-state', /sent 16 MiB.*sha256 [0-9a-f]{12}/);
  // The browser calls a streamed download aborted once the page has read all of it, also when no
  // proxy is in between; that all of it came is what the progress bar has just said.
  assert.deepEqual(
    problems.filter((problem) => !problem.includes('/download?mib=64 net::ERR_ABORTED')),
    [],
  );
});
