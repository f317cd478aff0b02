/**
 * Health of endpoints, seen from outside: two workers, real endpoints that die, get sick, are
 * drained and come back.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { Child } from '../support/child.ts';
import { freePort, freePorts } from '../support/free-port.ts';
import type { Fetched } from '../support/http-origin.ts';
import { fetchFrom } from '../support/http-origin.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, until } from '../support/wait.ts';

interface Row {
  readonly endpoint: string;
  readonly state: string;
  readonly reason: string;
  readonly ejections: number;
}

/** An origin on a fixed port that can be killed, made sick, and started again. */
class Origin {
  readonly port: number;
  readonly url: string;
  served = 0;
  isSick = false;
  private server: http.Server | null = null;

  constructor(port: number) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  start(): Promise<void> {
    this.server = http.createServer((request, response) => {
      request.resume();
      const isCheck = request.url === '/healthz';
      if (!isCheck) this.served++;
      response.statusCode = this.isSick && !isCheck ? 503 : 200;
      response.end(String(this.port));
    });
    return new Promise((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
  }

  kill(): void {
    this.server?.close();
    this.server?.closeAllConnections();
    this.server = null;
  }
}

interface World {
  readonly origins: readonly Origin[];
  readonly proxy: Child;
  readonly request: (cookie?: string) => Promise<Fetched>;
  readonly row: (origin: Origin) => Promise<Row>;
  readonly isState: (origin: Origin, state: string) => () => Promise<boolean>;
  readonly drain: (origin: Origin, action: 'drain' | 'undrain') => Promise<number>;
  readonly metric: (name: string) => Promise<number | null>;
  /** Rewrites the file with these lines of the service and waits until it is served. */
  readonly reload: (service: string) => Promise<void>;
}

const CHECKS = `
[services.app.health-check]
path = "/healthz"
interval = "200ms"
timeout = "200ms"
`;

/** Three origins behind a proxy with two workers. */
async function start(t: test.TestContext, service: string): Promise<World> {
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const origins: Origin[] = [];
  for (let i = 0; i < 3; i++) origins.push(new Origin(await freePort()));
  for (const origin of origins) await origin.start();
  const urls = origins.map(({ url }) => JSON.stringify(url)).join(', ');
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const write = (lines: string): void =>
    fs.writeFileSync(
      file,
      `io = "node"\nworkers = 2\n[admin]\naddress = "127.0.0.1:${adminPort}"\ntoken = "t0ken"\n` +
        `[listeners.web]\naddress = "127.0.0.1:${port}"\n[routes.all]\npath = "/*"\n` +
        `service = "app"\n[services.app]\nendpoints = [${urls}]\n${lines}\n`,
    );
  write(service);
  const proxy = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(() => {
    proxy.killTree();
    for (const origin of origins) origin.kill();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await until(() => proxy.output.includes('ready'), 'the proxy to serve', 20_000);
  const row = async ({ url }: Origin): Promise<Row> => {
    const { body } = await fetchFrom(adminPort, '/health');
    const { endpoints } = JSON.parse(body.toString()) as { endpoints: readonly Row[] };
    return endpoints.find(({ endpoint }) => endpoint === url)!;
  };
  const metric = async (name: string): Promise<number | null> =>
    metricSum(await readMetrics(adminPort), name);
  return {
    origins,
    proxy,
    row,
    metric,
    request: (cookie) => fetchFrom(port, '/', { headers: cookie === undefined ? {} : { cookie } }),
    isState: (origin, state) => async () => (await row(origin)).state === state,
    drain: async ({ url }, action) => {
      const { status } = await fetchFrom(adminPort, `/endpoints/${action}`, {
        method: 'POST',
        headers: { authorization: 'Bearer t0ken', 'content-type': 'application/json' },
        body: JSON.stringify({ endpoint: url }),
      });
      return status;
    },
    reload: async (lines) => {
      const before = await metric('proxy_now_config_generation');
      write(lines);
      await until(
        async () => (await metric('proxy_now_config_generation')) === before! + 1,
        'the reload',
      );
    },
  };
}

/** Sends `count` requests and tells how many each origin served. All must succeed. */
async function shares({ origins, request }: World, count: number): Promise<number[]> {
  const before = origins.map(({ served }) => served);
  for (let i = 0; i < count; i++) assert.equal((await request()).status, 200);
  return origins.map(({ served }, index) => served - before[index]!);
}

/** Requests in a row until `stop` is called; tells how many failed. */
function keepAsking({ request }: World): { readonly stop: () => Promise<number> } {
  let failed = 0;
  const state = { isOver: false };
  const run = (async () => {
    while (!state.isOver) {
      const { status } = await request().catch(() => ({ status: 0 }));
      if (status !== 200) failed++;
      await delay(2);
    }
  })();
  return {
    async stop() {
      state.isOver = true;
      await run;
      return failed;
    },
  };
}

test('health: one of three is killed, is out within a second, and comes back slowly', async (t) => {
  const world = await start(t, `slow-start = "4s"\n${CHECKS}`);
  const [victim, ...others] = world.origins as [Origin, Origin, Origin];
  assert.ok((await shares(world, 30)).every((count) => count >= 5));

  const traffic = keepAsking(world);
  const killedMs = performance.now();
  victim.kill();
  await until(world.isState(victim, 'down'), 'the dead endpoint to be down', 1_000);
  const tookMs = performance.now() - killedMs;
  t.diagnostic(`down after ${Math.round(tookMs)} ms`);
  assert.notEqual((await world.row(victim)).reason, '');
  for (const origin of others) assert.equal((await world.row(origin)).state, 'up');
  await until(
    async () => (await world.metric('proxy_now_service_endpoints_available')) === 2,
    'both workers to know',
  );
  assert.equal(await traffic.stop(), 0, 'no request of a client failed');

  await victim.start();
  await until(world.isState(victim, 'up'), 'the endpoint to be up again', 5_000);
  const [early] = await shares(world, 60);
  assert.ok(early! <= 12, `${early} of 60 right after its return`);
  await until(async () => (await shares(world, 30))[0]! >= 8, 'its full share', 8_000);
});

test('health: what only traffic shows is ejected for all workers, and says why', async (t) => {
  const world = await start(t, 'outlier = { ejection = "1s", statuses = ["500-599"] }');
  const [sick] = world.origins as [Origin];
  sick.isSick = true;
  await until(
    async () => {
      await world.request();
      return (await world.row(sick)).state === 'down';
    },
    'the sick endpoint to be ejected',
    10_000,
  );
  const row = await world.row(sick);
  assert.match(row.reason, /^ejected: /);
  assert.equal(row.ejections, 1);
  assert.equal(await world.metric('proxy_now_upstream_ejections_total'), 1);
  sick.isSick = false;
  await until(world.isState(sick, 'up'), 'the ejection to end', 5_000);
});

test('health: without checks, a dead one stays out until it accepts connections', async (t) => {
  const world = await start(t, 'outlier = { ejection = "200ms" }');
  const [dead] = world.origins as [Origin];
  const traffic = keepAsking(world);
  dead.kill();
  await until(world.isState(dead, 'down'), 'the dead endpoint to be ejected');
  await until(
    async () => (await world.row(dead)).reason.endsWith('and still connection refused'),
    'its ejection to go on',
  );
  await dead.start();
  await until(world.isState(dead, 'up'), 'its return', 3_000);
  assert.equal((await world.row(dead)).ejections, 1, 'it was tried by connecting, not by requests');
  await until(() => dead.served > 0, 'its first request');
  assert.equal(await traffic.stop(), 0, 'no request of a client failed');
});

test('health: a drained endpoint keeps its sticky clients and gets no new ones', async (t) => {
  const world = await start(t, 'sticky = { cookie = "lane" }');
  const [drained] = world.origins as [Origin];
  let cookie = '';
  await until(async () => {
    const answer = await world.request();
    if (answer.body.toString() !== String(drained.port)) return false;
    cookie = answer.headers['set-cookie']![0]!.split(';')[0]!;
    return true;
  }, 'a cookie of the endpoint');
  assert.equal(await world.drain(drained, 'drain'), 200);
  await until(
    async () => (await world.metric('proxy_now_service_endpoints_available')) === 2,
    'the workers to know',
  );
  assert.equal((await shares(world, 20))[0], 0);
  for (let i = 0; i < 5; i++) {
    assert.equal((await world.request(cookie)).body.toString(), String(drained.port));
  }
  assert.equal(await world.drain(drained, 'undrain'), 200);
  await until(world.isState(drained, 'up'), 'the endpoint to be up');
  await until(async () => (await shares(world, 9))[0]! > 0, 'new clients to reach it');
});

test('health: a reload forgets neither what checks found nor what an operator said', async (t) => {
  const world = await start(t, CHECKS);
  const [dead, drained] = world.origins as [Origin, Origin];
  dead.kill();
  await until(world.isState(dead, 'down'), 'checks alone to notice', 2_000);
  assert.equal((await world.row(dead)).reason, 'check: connection refused');
  assert.equal(await world.drain(drained, 'drain'), 200);
  await world.reload(`balance = "random"\n${CHECKS}`);
  assert.equal((await world.row(dead)).state, 'down');
  assert.equal((await world.row(drained)).state, 'draining');
  const [first, second, third] = await shares(world, 20);
  assert.deepEqual([first, second, third], [0, 0, 20]);
});
