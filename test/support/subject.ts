/**
 * A system under test: one reverse proxy with some listeners, each forwarding everything to one
 * origin of its own. Proxy Now and its peers are started through the same shape.
 */

import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Child, ChildExit } from './child.ts';
import { until } from './wait.ts';

export interface Link {
  readonly listenPort: number;
  readonly originPort: number;
}

export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly child: Child;
  readonly links: readonly Link[];
  /** Ends the process and removes its files; harmless when repeated. */
  stop(): Promise<ChildExit>;
}

/** A fresh directory for one subject's files. */
export function scratchDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'proxy-now-test-'));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Waits until every port accepts. @throws with the child's output when it ends first */
export async function portsOpen(child: Child, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    await until(
      async () => child.exit !== null || (await accepts(port)),
      `port ${port} to accept`,
      10_000,
    );
    if (child.exit !== null) throw new Error(`ended before it listened:\n${child.output}`);
  }
}

/** The subject made of a running child and its directory. */
export function subjectOf(
  name: string,
  version: string,
  parts: { child: Child; links: readonly Link[]; directory: string },
): Subject {
  return {
    name,
    version,
    child: parts.child,
    links: parts.links,
    async stop() {
      const exit = await parts.child.stop();
      fs.rmSync(parts.directory, { recursive: true, force: true });
      return exit;
    },
  };
}
