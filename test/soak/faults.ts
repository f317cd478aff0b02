/**
 * What a soak does to the proxy while it runs: reloads all the time, and faults in turn.
 */

import { delay } from '../support/wait.ts';
import { RawClient } from '../support/raw-client.ts';
import type { ProxyStage } from '../fault/proxy-stage.ts';

const RELOAD_MS = 3_000;
const FAULT_MS = 8_000;
const CLIENTS = 30;
const HIT = 1;
const DOWNLOAD = 'GET /one/x?size=300000&ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n';

export interface Turmoil {
  readonly reloads: number;
  readonly faults: Readonly<Record<string, number>>;
}

async function withClients(
  stage: ProxyStage,
  text: string,
  act: (clients: RawClient[]) => Promise<void>,
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, () => new RawClient(stage.port));
  for (const client of clients) client.send(text);
  await act(clients);
  for (const client of clients) client.destroy();
}

/** One at a time, in this order, again and again. Each leaves things as they were. */
const FAULTS: Readonly<Record<string, (stage: ProxyStage) => Promise<void>>> = {
  async 'endpoint killed'(stage) {
    await stage.origins[HIT]!.kill();
    await delay(2_000);
    await stage.origins[HIT]!.restart();
  },
  'clients abort': (stage) =>
    withClients(stage, DOWNLOAD, async (clients) => {
      await delay(300);
      for (const client of clients) client.socket.resetAndDestroy();
    }),
  async 'endpoint stopped'(stage) {
    stage.origins[HIT]!.freeze();
    await delay(2_000);
    stage.origins[HIT]!.thaw();
  },
  'slow readers': (stage) =>
    withClients(stage, DOWNLOAD, async (clients) => {
      for (const client of clients) client.socket.pause();
      await delay(3_000);
    }),
  async 'connections reset'(stage) {
    for (const proxy of stage.proxies) proxy.resetAll();
  },
  'half heads': (stage) =>
    withClients(stage, 'GET / HTTP/1.1\r\nHost: a\r\nX: ', () => delay(2_000)),
  async 'endpoint slow'(stage) {
    stage.origins[HIT]!.set(`e${HIT}`, { delayMs: 3_000 });
    await delay(3_000);
    stage.origins[HIT]!.set(`e${HIT}`, { delayMs: 0 });
  },
};

/** A reload that changes a route, and each second time the endpoints of the service in use. */
function changed(stage: ProxyStage, count: number): string {
  const route = `[routes.own]\npath = "/own-${count}/*"\nservice = "one"\n`;
  const last = `, "http://127.0.0.1:${stage.proxies[2]!.port}"`;
  const base = stage.toml();
  return (count % 2 === 0 ? base : base.replace(last, '')) + route;
}

/** Reloads, and lets faults happen when asked to, for `ms`. */
export async function makeTurmoil(
  stage: ProxyStage,
  ms: number,
  hasFaults: boolean,
): Promise<Turmoil> {
  const endMs = performance.now() + ms;
  const counts: Record<string, number> = {};
  let reloads = 0;
  const reloading = async (): Promise<void> => {
    while (performance.now() + RELOAD_MS < endMs) {
      await delay(RELOAD_MS);
      stage.write(changed(stage, ++reloads));
      stage.child.signal('SIGHUP');
    }
  };
  const failing = async (): Promise<void> => {
    const names = Object.keys(FAULTS);
    for (let i = 0; performance.now() + FAULT_MS * 2 < endMs; i++) {
      await delay(FAULT_MS);
      const name = names[i % names.length]!;
      await FAULTS[name]!(stage);
      counts[name] = (counts[name] ?? 0) + 1;
    }
  };
  await Promise.all([reloading(), hasFaults ? failing() : delay(ms)]);
  await delay(Math.max(0, endMs - performance.now()));
  return { reloads, faults: counts };
}
