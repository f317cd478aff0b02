/**
 * One proxy in front of what a test brings, stopped with the test.
 */

import { after, type TestContext } from 'node:test';
import { freePorts } from './free-port.ts';
import { baseToml, startProxy, type ProxyOptions } from './proxy.ts';
import type { Subject } from './subject.ts';

export interface Behind {
  readonly port: number;
  readonly ports: readonly number[];
  readonly subject: Subject;
}

/** Anything that can run a function when it is over: a test, or a whole file. */
export interface Lifetime {
  after(run: () => unknown): void;
}

const atEnd: (() => unknown)[] = [];
// Hooks registered inside `before` run when it ends, so this one is registered on import.
after(async () => {
  for (const run of atEnd) await run();
});

/** The lifetime of the whole test file: for proxies that its tests share. */
export const FILE: Lifetime = {
  after(run) {
    atEnd.push(run);
  },
};

/**
 * Starts the proxy with `toml` (listeners, routes and services) after the common part.
 * @param toml called with `listenerCount` free ports
 */
export async function startBehind(
  lifetime: Lifetime | TestContext,
  toml: (ports: readonly number[]) => string,
  options: ProxyOptions & { readonly listenerCount?: number } = {},
): Promise<Behind> {
  const ports = await freePorts(options.listenerCount ?? 1);
  const text = baseToml(options) + toml(ports);
  const subject = await startProxy(
    text,
    ports.map((listenPort) => ({ listenPort, originPort: 0 })),
  );
  lifetime.after(() => subject.stop());
  return { port: ports[0]!, ports, subject };
}

/** One listener and one catch-all route to a service with these endpoints. */
export function simpleToml(port: number, endpoints: readonly string[], service = ''): string {
  const list = endpoints.map((endpoint) => JSON.stringify(endpoint)).join(', ');
  return (
    `[listeners.web]\naddress = "127.0.0.1:${port}"\n\n` +
    `[routes.all]\npath = "/*"\nservice = "o"\n\n` +
    `[services.o]\nendpoints = [${list}]\n${service}\n`
  );
}

/** A proxy with one route to `originPort`. */
export function startInFrontOf(
  lifetime: Lifetime | TestContext,
  originPort: number,
  options: ProxyOptions = {},
): Promise<Behind> {
  const endpoints = [`http://127.0.0.1:${originPort}`];
  return startBehind(lifetime, ([port]) => simpleToml(port!, endpoints), options);
}
