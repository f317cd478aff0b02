/**
 * The load client and its origins, started, told what to do, and ended by a test.
 */

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from '../child.ts';
import { until, within } from '../wait.ts';
import type { PhaseSummary } from './tally.ts';
import type { TrafficPlan } from './traffic.ts';

const LOAD_CLIENT = fileURLToPath(new URL('../load-client.ts', import.meta.url));
const ID_ORIGIN = fileURLToPath(new URL('../id-origin.ts', import.meta.url));
const FLOOD = fileURLToPath(new URL('../flood.ts', import.meta.url));
const STOP_TIMEOUT_MS = 40_000;

export interface LoadReport {
  /** In order; the last one is the whole run. */
  readonly phases: readonly PhaseSummary[];
  /** Ids of POSTs that got no answer. */
  readonly unanswered: readonly string[];
}

export class LoadClient {
  readonly #child: Child;
  #report: LoadReport | null = null;
  #isStarted = false;
  /** The phase that runs, as of the last second. */
  current: PhaseSummary | null = null;
  /** Names of phases begun so far. */
  readonly marked: string[] = [];

  private constructor(plan: Partial<TrafficPlan>) {
    this.#child = new Child(
      process.execPath,
      [LOAD_CLIENT, JSON.stringify(plan)],
      {},
      { hasInput: true, onLine: (line) => this.#take(line) },
    );
  }

  static async start(plan: Partial<TrafficPlan>): Promise<LoadClient> {
    const client = new LoadClient(plan);
    await until(() => client.#isStarted || client.#child.exit !== null, 'the load client', 20_000);
    if (!client.#isStarted) throw new Error(`no load client:\n${client.#child.output}`);
    return client;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends the phase that runs; what comes from now on is counted under `name`. */
  async mark(name: string): Promise<void> {
    const count = this.marked.length;
    this.#child.write(`mark ${name}`);
    await until(() => this.marked.length > count, `phase ${name}`, 10_000);
  }

  /** Waits until the phase that runs has so many good answers. */
  async answers(count: number, timeoutMs = 20_000): Promise<void> {
    await until(() => (this.current?.ok ?? 0) >= count, `${count} answers`, timeoutMs);
  }

  async stop(): Promise<LoadReport> {
    this.#child.write('stop');
    await within(this.#child.exited, 'the end of the load client', STOP_TIMEOUT_MS);
    if (this.#report === null) throw new Error(`no report:\n${this.#child.output}`);
    return this.#report;
  }

  kill(): void {
    this.#child.killTree();
  }

  #take(line: string): void {
    const said = JSON.parse(line) as { readonly type: string };
    if (said.type === 'window') this.current = said as unknown as PhaseSummary;
    else if (said.type === 'marked') {
      this.marked.push((said as unknown as { name: string }).name);
      this.current = null;
    } else if (said.type === 'report') this.#report = said as unknown as LoadReport;
    else this.#isStarted = true;
  }
}

/** The phase of that name. @throws when there is none */
export function phaseOf(report: LoadReport, name: string): PhaseSummary {
  const phase = report.phases.find((one) => one.name === name);
  if (phase === undefined) throw new Error(`no phase ${name}`);
  return phase;
}

/** Plain load of many small requests, and its origin. */
export class Flood {
  readonly #child: Child;
  originPort = 0;
  done = 0;
  lost = 0;

  private constructor() {
    const onLine = (line: string): void => {
      Object.assign(this, JSON.parse(line) as Partial<Flood>);
    };
    this.#child = new Child(process.execPath, [FLOOD], {}, { hasInput: true, onLine });
  }

  static async start(): Promise<Flood> {
    const flood = new Flood();
    await until(() => flood.originPort > 0, 'the flood', 20_000);
    return flood;
  }

  /** Sends so many requests per second to the proxy on `port`. */
  send(port: number, rate: number): void {
    this.#child.write(JSON.stringify({ port, rate }));
  }

  kill(): void {
    this.#child.killTree();
  }
}

export interface OriginOrder {
  readonly name: string;
  /** 0: a free one. */
  readonly port: number;
}

/** One process with some endpoints. */
export class IdOrigin {
  readonly #file: string;
  #child: Child;
  #order: readonly OriginOrder[];
  /** Ports by endpoint name; the same after a restart. */
  readonly ports = new Map<string, number>();

  private constructor(order: readonly OriginOrder[], file: string) {
    this.#order = order;
    this.#file = file;
    this.#child = this.#spawn();
  }

  /** @param file where executed POSTs are recorded */
  static async start(order: readonly OriginOrder[], file: string): Promise<IdOrigin> {
    const origin = new IdOrigin(order, file);
    await origin.#ready();
    return origin;
  }

  get pid(): number {
    return this.#child.pid;
  }

  port(name: string): number {
    return this.ports.get(name)!;
  }

  /** Changes how an endpoint behaves, from its next request on. */
  set(name: string, change: { readonly delayMs?: number; readonly status?: number }): void {
    this.#child.write(JSON.stringify({ name, ...change }));
  }

  /** SIGKILL: connections are reset or closed by the kernel. */
  async kill(): Promise<void> {
    this.#child.signal('SIGKILL');
    await this.#child.exited;
  }

  /** SIGSTOP: the kernel still accepts connections, nobody answers. */
  freeze(): void {
    this.#child.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child.signal('SIGCONT');
  }

  /** Starts again on the same ports. */
  async restart(): Promise<void> {
    this.#order = this.#order.map(({ name }) => ({ name, port: this.port(name) }));
    this.#child = this.#spawn();
    await this.#ready();
  }

  async stop(): Promise<void> {
    this.#child.signal('SIGCONT');
    this.#child.signal('SIGKILL');
    await this.#child.exited;
  }

  #spawn(): Child {
    const order = JSON.stringify({ endpoints: this.#order, ids: this.#file });
    return new Child(process.execPath, [ID_ORIGIN, order], {}, { hasInput: true });
  }

  async #ready(): Promise<void> {
    await this.#child.ready(/^ready$/m, 20_000);
    for (const line of this.#child.output.split('\n')) {
      if (!line.startsWith('{')) continue;
      const { name, port } = JSON.parse(line) as OriginOrder;
      this.ports.set(name, port);
    }
  }
}

export interface ExecutedPosts {
  /** How many POSTs were executed. */
  readonly count: number;
  /** Ids that were executed more than once, with the endpoints that did. */
  readonly duplicated: readonly string[];
  has(id: string): boolean;
}

/** What origins recorded in `file`. */
export function readExecuted(file: string): ExecutedPosts {
  const seen = new Map<string, string[]>();
  let count = 0;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const [endpoint, id] = line.split(' ');
    if (endpoint === undefined || id === undefined) continue;
    count++;
    seen.set(id, [...(seen.get(id) ?? []), endpoint]);
  }
  const duplicated = [...seen]
    .filter(([, endpoints]) => endpoints.length > 1)
    .map(([id, endpoints]) => `${id} at ${endpoints.join(', ')}`);
  return { count, duplicated, has: (id) => seen.has(id) };
}
