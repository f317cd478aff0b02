/**
 * The stage of a fault: the real binary with two workers, three origins that are processes of
 * their own, a fault proxy in front of each, and a load client.
 *
 *     /all/*    service `all`: endpoints e0, e1, e2, each through its fault proxy
 *     /one/*    service `one`: endpoint e0 alone, without a fault proxy
 */

import fs from 'node:fs';
import path from 'node:path';
import { Child } from '../support/child.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { freePorts } from '../support/free-port.ts';
import { IdOrigin, LoadClient, readExecuted } from '../support/load/processes.ts';
import type { ExecutedPosts } from '../support/load/processes.ts';
import type { TrafficPlan } from '../support/load/traffic.ts';
import { metricSum, readMetrics } from '../support/metrics.ts';
import { processTree, treeUsage, type TreeUsage } from '../support/process-tree.ts';
import { PROXY_BINARY } from '../support/proxy.ts';
import { peerCommand } from '../support/peers.ts';
import { portsOpen, scratchDirectory } from '../support/subject.ts';
import type { EndpointPeer } from './contender/endpoint-peers.ts';
import { ratesFor } from './stage.ts';

export const ENDPOINT_COUNT = 3;

export interface ProxyStageOptions {
  /** Requests per second; 0 for no load client. */
  readonly rate?: number;
  readonly sockets?: number;
  readonly prefixes?: readonly string[];
  readonly traffic?: Partial<TrafficPlan>;
  /** Lines of the file before its first table. */
  readonly root?: string;
  /** Lines of the service `all`, its tables included. */
  readonly service?: string;
  /** Further tables at the end of the file. */
  readonly tables?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A peer on the same stage, instead of Proxy Now. */
  readonly peer?: EndpointPeer;
  /** Runs the binary through this, such as `prlimit --nofile=256`. */
  readonly through?: readonly string[];
}

const MS_PER_TICK = 10;

export class ProxyStage {
  readonly directory = scratchDirectory();
  readonly #options: ProxyStageOptions;
  readonly origins: IdOrigin[] = [];
  readonly proxies: FaultProxy[] = [];
  port = 0;
  adminPort = 0;
  /** Tables added by `restartWith`. */
  #more = '';
  #child: Child | null = null;
  #client: LoadClient | null = null;

  private constructor(options: ProxyStageOptions) {
    this.#options = options;
  }

  /** Starts everything; `lifetime` ends it. @throws with the output when it does not start */
  static async open(
    lifetime: { after(run: () => unknown): void },
    options: ProxyStageOptions = {},
  ): Promise<ProxyStage> {
    const stage = new ProxyStage(options);
    lifetime.after(() => stage.close());
    const names = Array.from({ length: ENDPOINT_COUNT }, (_, i) => `e${i}`);
    const starts = names.map((name) => IdOrigin.start([{ name, port: 0 }], stage.#idsPath()));
    for (const [i, name] of names.entries()) {
      const origin = await starts[i]!;
      stage.origins.push(origin);
      const proxy = new FaultProxy(origin.port(name));
      await proxy.open();
      stage.proxies.push(proxy);
    }
    [stage.port, stage.adminPort] = (await freePorts(2)) as [number, number];
    await stage.start();
    if ((options.rate ?? 0) > 0) await stage.load(options.rate!);
    return stage;
  }

  get child(): Child {
    return this.#child!;
  }

  get client(): LoadClient {
    return this.#client!;
  }

  get file(): string {
    return path.join(this.directory, 'proxy-now.toml');
  }

  /** The configuration it started with. */
  toml(): string {
    const { root = '', service = '', tables = '' } = this.#options;
    const urls = this.proxies.map(({ port }) => `"http://127.0.0.1:${port}"`).join(', ');
    return (
      `io = "node"\nworkers = 2\ndrain-timeout = "5s"\n${root}\n` +
      `[admin]\naddress = "127.0.0.1:${this.adminPort}"\n` +
      `socket = "${this.directory}/admin.sock"\n\n` +
      `[listeners.web]\naddress = "127.0.0.1:${this.port}"\n\n` +
      `[routes.all]\npath = "/all/*"\nservice = "all"\n\n` +
      `[routes.one]\npath = "/one/*"\nservice = "one"\n\n` +
      `[services.one]\nendpoints = ["http://127.0.0.1:${this.origins[0]!.port('e0')}"]\n\n` +
      `[services.all]\nendpoints = [${urls}]\n${service}\n${tables}\n${this.#more}`
    );
  }

  /** Replaces the configuration by rename, so that no half file is ever there. */
  write(toml: string): void {
    fs.writeFileSync(`${this.file}.next`, toml);
    fs.renameSync(`${this.file}.next`, this.file);
  }

  /** Starts the proxy, with the configuration as it was at first. */
  async start(): Promise<void> {
    const { peer } = this.#options;
    if (peer !== undefined) return this.#startPeer(peer);
    this.write(this.toml());
    const [command, ...args] = [
      ...(this.#options.through ?? []),
      PROXY_BINARY,
      'run',
      '-c',
      this.file,
    ];
    const env = { XDG_STATE_HOME: this.directory, ...this.#options.env };
    this.#child = new Child(command!, args, env);
    await this.#child.ready(/\bready\b/i, 30_000);
    await portsOpen(this.#child, [this.port]);
  }

  async #startPeer(peer: EndpointPeer): Promise<void> {
    const file = path.join(this.directory, peer.fileName);
    const all = this.proxies.map(({ port }) => port);
    const one = this.origins[0]!.port('e0');
    fs.writeFileSync(file, peer.render({ port: this.port, directory: this.directory, all, one }));
    const args = peer.args(file, this.directory);
    const home = { HOME: this.directory, XDG_CONFIG_HOME: this.directory };
    this.#child = new Child(peerCommand(peer.name)!, args, home);
    await portsOpen(this.#child, [this.port]);
  }

  /** Stops the proxy and starts it with `tables` at the end of its file. */
  async restartWith(tables: string): Promise<void> {
    await this.child.stop(4_000);
    this.#more = tables;
    await this.start();
  }

  /** Starts the load client. */
  async load(rate: number, prefixes = this.#options.prefixes ?? ['/all']): Promise<LoadClient> {
    this.#client = await LoadClient.start({
      port: this.port,
      rates: ratesFor(rate),
      prefixes,
      sockets: this.#options.sockets ?? 0,
      socketPrefix: '/one',
      ...this.#options.traffic,
    });
    return this.#client;
  }

  usage(): TreeUsage {
    return treeUsage(this.child.pid);
  }

  /** The proxy process below the supervisor. */
  proxyPid(): number {
    return processTree(this.child.pid)[1] ?? -1;
  }

  /** Sum of a metric over all its series; null when there is none or no answer. */
  async metric(name: string): Promise<number | null> {
    const page = await readMetrics(this.adminPort).catch(() => '');
    return metricSum(page, `proxy_now_${name}`);
  }

  /** A metric of the endpoint on `port` in the service `all`; null when there is none. */
  async metricOf(name: string, port: number): Promise<number | null> {
    const page = await readMetrics(this.adminPort).catch(() => '');
    const start = `proxy_now_${name}{service="all"`;
    const line = page.split('\n').find((one) => one.startsWith(start) && one.includes(`:${port}"`));
    return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  /** Whether endpoint `i` of the service `all` gets traffic, as metrics say. */
  async isUp(i: number): Promise<boolean | null> {
    const up = await this.metricOf('upstream_up', this.proxies[i]!.port);
    return up === null ? null : up === 1;
  }

  executed(): ExecutedPosts {
    return readExecuted(this.#idsPath());
  }

  /** Share of one core that the proxy used while `run` ran. */
  async cpuDuring(run: () => Promise<unknown>): Promise<number> {
    const before = this.usage().cpuTicks;
    const startedMs = performance.now();
    await run();
    const spentMs = performance.now() - startedMs;
    return ((this.usage().cpuTicks - before) * MS_PER_TICK) / spentMs;
  }

  async close(): Promise<void> {
    this.#client?.kill();
    if (this.#child !== null) {
      this.#child.signal('SIGCONT');
      await this.#child.stop(4_000);
    }
    for (const proxy of this.proxies) await proxy.close();
    for (const origin of this.origins) await origin.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  #idsPath(): string {
    return path.join(this.directory, 'ids');
  }
}
