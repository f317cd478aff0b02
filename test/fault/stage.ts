/**
 * The stage of a comparison: origins, one contender, one load client, each a process of its own.
 */

import fs from 'node:fs';
import path from 'node:path';
import type { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { fetchFrom } from '../support/http-origin.ts';
import { IdOrigin, LoadClient, readExecuted } from '../support/load/processes.ts';
import type { ExecutedPosts, LoadReport } from '../support/load/processes.ts';
import type { TrafficPlan } from '../support/load/traffic.ts';
import { treeUsage, type TreeUsage } from '../support/process-tree.ts';
import { portsOpen, scratchDirectory } from '../support/subject.ts';
import { delay, holdsWithin, until } from '../support/wait.ts';
import { writeGeneration, type Contender } from './contender/contender.ts';
import { ENDPOINTS, planGeneration, type Layout } from './contender/layout.ts';

export interface StageOptions {
  /** Requests per second of the whole mix. */
  readonly rate: number;
  /** WebSockets open all the time. */
  readonly sockets: number;
  readonly prefixes: readonly string[];
  readonly traffic?: Partial<TrafficPlan>;
  /** Longest drain, where the contender has such a thing. */
  readonly drainSeconds?: number;
}

/** Shares of the mix: half kept alive, a third new connections, some POSTs and slow downloads. */
export function ratesFor(rate: number): TrafficPlan['rates'] {
  return { kept: rate * 0.5, new: rate * 0.3, post: rate * 0.18, slow: Math.min(10, rate * 0.02) };
}

export class Stage {
  readonly contender: Contender;
  readonly layout: Layout;
  readonly origin: IdOrigin;
  readonly child: Child;
  readonly client: LoadClient;
  generation = 0;

  private constructor(
    contender: Contender,
    layout: Layout,
    parts: { readonly origin: IdOrigin; readonly child: Child; readonly client: LoadClient },
  ) {
    this.contender = contender;
    this.layout = layout;
    this.origin = parts.origin;
    this.child = parts.child;
    this.client = parts.client;
  }

  /** Starts everything. @throws when the contender is not installed or does not start */
  static async open(contender: Contender, options: StageOptions): Promise<Stage> {
    const command = contender.command();
    if (command === null) throw new Error(`${contender.name} is not installed`);
    const directory = scratchDirectory();
    const [port, secondPort, adminPort] = (await freePorts(3)) as [number, number, number];
    const order = ENDPOINTS.map((name) => ({ name, port: 0 }));
    const origin = await IdOrigin.start(order, path.join(directory, 'ids'));
    const endpoints = Object.fromEntries(origin.ports) as Record<
      (typeof ENDPOINTS)[number],
      number
    >;
    const drainSeconds = options.drainSeconds ?? 10;
    const layout = { directory, port, secondPort, adminPort, drainSeconds, ...endpoints };
    writeGeneration(contender, layout, 0);
    const child = contender.start(command, layout);
    try {
      await portsOpen(child, [port]);
      await until(() => servesGeneration(layout, 0), 'the first answer', 10_000);
      const client = await LoadClient.start({
        port,
        rates: ratesFor(options.rate),
        sockets: options.sockets,
        socketPrefix: '/ws',
        prefixes: options.prefixes,
        ...options.traffic,
      });
      return new Stage(contender, layout, { origin, child, client });
    } catch (error) {
      child.killTree();
      await origin.stop();
      fs.rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  usage(): TreeUsage {
    return treeUsage(this.child.pid);
  }

  /**
   * Reloads to the next generation.
   * @returns milliseconds until new connections get it; -1 when they did not within `limitMs`
   */
  async reload(limitMs = 3_000): Promise<number> {
    this.generation++;
    writeGeneration(this.contender, this.layout, this.generation);
    const startedMs = performance.now();
    await this.contender.reload(this.child, this.layout);
    const isThere = (): Promise<boolean> => servesGeneration(this.layout, this.generation);
    const isDone = await holdsWithin(async () => {
      if (await isThere()) return true;
      await delay(10);
      return false;
    }, limitMs);
    return isDone ? performance.now() - startedMs : -1;
  }

  /** What origins executed. Readable after `close`, too. */
  executed(): ExecutedPosts {
    return readExecuted(path.join(this.layout.directory, 'ids'));
  }

  async close(): Promise<void> {
    this.client.kill();
    await this.child.stop(5_000);
    this.child.killTree();
    await this.origin.stop();
    fs.rmSync(this.layout.directory, { recursive: true, force: true });
  }
}

/** Whether a new connection is served by that generation. */
export async function servesGeneration(layout: Layout, generation: number): Promise<boolean> {
  const { ownPrefix } = planGeneration(layout, generation);
  try {
    const { status } = await fetchFrom(layout.port, `${ownPrefix}/x?size=1`, { timeout: 2_000 });
    return status === 200;
  } catch {
    return false;
  }
}

/** POSTs whose client got no answer but that were executed, and all executed more than once. */
export function judgePosts(
  executed: ExecutedPosts,
  report: LoadReport,
): { readonly duplicated: number; readonly executedUnanswered: number } {
  return {
    duplicated: executed.duplicated.length,
    executedUnanswered: report.unanswered.filter((id) => executed.has(id)).length,
  };
}
