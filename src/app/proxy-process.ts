/**
 * Proxy process: takes orders from the supervisor, and goes from starting over ready and draining
 * to its end. What it serves, and with what, is its control plane's business.
 *
 * Signals are the supervisor's business too: a terminal sends them to both processes.
 */

import type { Readiness } from '../control/admin/admin-api.ts';
import type { Logger } from '../control/admin/logger.ts';
import { createLogger } from '../control/admin/logger.ts';
import { formatIssues } from '../control/config/render-issue.ts';
import type { Config } from '../control/config/config.ts';
import { BrokerClient } from './broker-client.ts';
import type { SocketHandle } from './bound-socket.ts';
import { readConfig, sourceText } from './config-file.ts';
import { ControlPlane } from './control-plane.ts';
import type { DrainChanges, FromProxy, Heritage, ToProxy } from './orders.ts';
import { configOfTexts, loadedFiles } from './start-config.ts';
import { writeError } from './standard-error.ts';
import { version } from './version.ts';

type Start = Extract<ToProxy, { type: 'start' }>;

/** How often the supervisor hears that this process is alive. */
const ALIVE_INTERVAL_MS = 1_000;
/** What is aborted gets this long to end in order. */
const ABORT_MAX_MS = 500;

class ProxyProcess {
  private readiness: Readiness = 'starting';
  private readonly logger: Logger;
  private readonly broker = new BrokerClient(send);
  private control: ControlPlane | null = null;
  /** Resolves when it serves, or cannot. */
  private started: Promise<void> = Promise.resolve();
  private isStopped = false;
  /** The configuration that the supervisor has from this process, or has given to it. */
  private toldConfig: Config | null = null;

  constructor() {
    this.logger = createLogger({
      level: 'info',
      format: 'text',
      wallMs: () => Date.now(),
      write: writeError,
    });
  }

  take(message: ToProxy, handle: SocketHandle | undefined): void {
    switch (message.type) {
      case 'start':
        this.started = this.start(message);
        return;
      case 'reload':
        return void this.reload(message.since);
      case 'hand-over':
        return this.control?.handOver();
      case 'upgraded':
        return this.control?.upgraded(message.problem);
      case 'drain':
        return void this.drain(message.hasSuccessor);
      case 'abort':
        return this.abort();
      case 'reopen-logs':
        return this.control?.reopenLogs();
      default:
        this.broker.onMessage(message, handle);
    }
  }

  /** The supervisor is gone: nobody will ever start a successor. */
  onSupervisorGone(): void {
    this.broker.onGone();
    void this.drain(false);
  }

  private async start(order: Start): Promise<void> {
    const { workers, restarts, upgrades } = order;
    const { broker, logger } = this;
    const heritage = await currentHeritage(order);
    if (heritage === null) return send({ type: 'refused', message: 'the files have errors' });
    this.toldConfig = order.heritage.config;
    logger.setLevel(heritage.config.observe.logLevel);
    this.control = new ControlPlane({
      heritage,
      workers,
      restarts,
      upgrades,
      broker,
      logger,
      onHeritage: (next) => this.handOver(next),
      askUpgrade: () => send({ type: 'upgrade' }),
      readiness: () => this.readiness,
      onHopeless: () => process.exit(1),
    });
    try {
      const lines = await this.control.start();
      if (this.readiness !== 'starting') return; // Told to stop meanwhile.
      this.readiness = 'ready';
      for (const line of lines) process.stdout.write(`${line}\n`);
      send({ type: 'ready' });
      setInterval(() => this.sayAlive(), ALIVE_INTERVAL_MS).unref();
    } catch (error) {
      if (this.readiness === 'starting') send({ type: 'refused', message: textOf(error) });
    }
  }

  private handOver(heritage: Heritage): void {
    const { config } = heritage;
    const change = config === this.toldConfig ? { ...heritage, config: null } : heritage;
    this.toldConfig = config;
    send({ type: 'heritage', heritage: change, version: version() });
  }

  /** Not while it starts: then health checks and workers would be of two configurations. */
  private async reload(since: DrainChanges | undefined): Promise<void> {
    await this.started;
    if (since !== undefined) this.control?.changeDraining(since);
    await this.control?.reload();
    send({ type: 'reloaded' });
  }

  private sayAlive(): void {
    if (this.control?.isAlive() === true) send({ type: 'alive' });
  }

  /**
   * Says that it is not ready, waits until balancers in front have seen that, then ends. With a
   * successor nobody has to see anything: the address goes on being served.
   */
  private async drain(hasSuccessor: boolean): Promise<void> {
    if (this.readiness === 'draining') return;
    this.readiness = 'draining';
    const { control } = this;
    if (control === null) return this.stop();
    const delayMs = hasSuccessor ? 0 : control.drainDelayMs;
    this.logger.info('draining', { delay_ms: delayMs, timeout_ms: control.drainTimeoutMs });
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (!hasSuccessor) await this.broker.closeListeners();
    setTimeout(() => this.abort(), control.drainTimeoutMs).unref();
    await control.drain(hasSuccessor);
    await this.stop();
  }

  private abort(): void {
    if (this.isStopped) return;
    this.readiness = 'draining';
    this.logger.warn('aborting what is still open');
    this.control?.abort();
    setTimeout(() => void this.stop(), ABORT_MAX_MS).unref();
  }

  private async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    await this.control?.close();
    this.logger.info('stopped');
    process.exit(0);
  }
}

/**
 * A configuration is of the version that made it; of another one's only the texts are read, as they
 * were when they were good. What is on disk by now is looked at once it serves, like any change.
 */
async function currentHeritage(order: Start): Promise<Heritage | null> {
  const { heritage, heritageVersion } = order;
  const { configPath, files } = heritage;
  if (heritageVersion === version() || configPath === '') return heritage;
  const served = await configOfTexts(configPath, files);
  if (!('problem' in served)) return { ...heritage, ...served };
  const loaded = await readConfig(configPath);
  const { config, issues } = loaded;
  if (issues.length > 0) process.stderr.write(formatIssues(issues, sourceText));
  return config === null ? null : { ...heritage, config, files: loadedFiles(loaded) };
}

function send(message: FromProxy): void {
  // A supervisor that ends at this moment is no error of ours; its end is an event of its own.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Waits for orders of the supervisor. */
export function runProxyProcess(): void {
  const proxy = new ProxyProcess();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => {});
  }
  process.on('message', (message, handle) => {
    proxy.take(message as ToProxy, handle as unknown as SocketHandle | undefined);
  });
  process.on('disconnect', () => proxy.onSupervisorGone());
}
