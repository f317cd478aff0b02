/**
 * Proxy process: the control plane on the main thread, one thread per worker. Started by the
 * supervisor, which owns the listening sockets and gives orders over IPC; signals are the
 * supervisor's business.
 */

import type { Snapshot } from '../contract/snapshot.ts';
import type { Admin } from '../control/admin/admin.ts';
import { createAdmin } from '../control/admin/admin.ts';
import type { Readiness } from '../control/admin/admin-api.ts';
import { nodeLogFileSystem } from '../control/admin/log-file-system.ts';
import { LogFile } from '../control/admin/log-file.ts';
import type { Logger } from '../control/admin/logger.ts';
import { createLogger } from '../control/admin/logger.ts';
import { compile } from '../control/compile/compile.ts';
import { MetricIndexes } from '../control/compile/metric-indexes.ts';
import type { Config } from '../control/config/config.ts';
import { adminHost } from './admin-host.ts';
import type { FromProxy, ToProxy } from './orders.ts';
import { resolveLimits } from './process-limits.ts';
import { startupLines } from './startup-lines.ts';
import { WorkerPool } from './worker-pool.ts';

type Start = Extract<ToProxy, { type: 'start' }>;

/** How long log lines may take to leave at the end. */
const LOG_CLOSE_MS = 2_000;

class ProxyProcess {
  readiness: Readiness = 'starting';
  readonly startMs = Date.now();
  private readonly logger: Logger;
  private pool: WorkerPool | null = null;
  private admin: Admin | null = null;
  private accessLog: LogFile | null = null;
  private drainTimeoutMs = 0;
  private isStopped = false;

  constructor() {
    this.logger = createLogger({
      level: 'info',
      format: 'text',
      wallMs: () => Date.now(),
      write: (line) => process.stderr.write(line),
    });
  }

  start(order: Start): void {
    const { config } = order;
    this.logger.setLevel(config.observe.logLevel);
    const compiled = compile(config, order.restarts + 1, new MetricIndexes());
    const snapshot: Snapshot = {
      ...compiled,
      limits: resolveLimits(compiled.limits, order.workers),
    };
    this.drainTimeoutMs = snapshot.drainTimeoutMs;
    this.accessLog = this.openAccessLog(config);
    this.pool = new WorkerPool(
      {
        count: order.workers,
        sockets: order.sockets,
        logger: this.logger,
        accessLog: this.accessLog,
        onListening: (ports) => void this.onListening(config, snapshot, ports, order),
        onListenFailed: (listener, message) => this.onListenFailed(listener, message),
        onDrained: () => void this.stop(),
        onHopeless: () => process.exit(1),
      },
      snapshot,
    );
    this.pool.start();
  }

  drain(): void {
    if (this.readiness === 'draining') return;
    this.readiness = 'draining';
    this.logger.info('draining', { timeout_ms: this.drainTimeoutMs });
    if (this.pool === null) {
      void this.stop();
      return;
    }
    this.pool.drain();
    setTimeout(() => this.abort(), this.drainTimeoutMs).unref();
  }

  abort(): void {
    if (this.isStopped) return;
    this.logger.warn('aborting what is still open');
    this.pool?.abort();
    setTimeout(() => void this.stop(), 500).unref();
  }

  reopenLogs(): void {
    this.accessLog?.reopen();
    this.logger.info('access log reopened');
  }

  private async onListening(
    config: Config,
    snapshot: Snapshot,
    ports: readonly number[],
    order: Start,
  ): Promise<void> {
    if (this.readiness !== 'starting') return;
    const adminPort = await this.openAdmin(config, snapshot, order.restarts);
    if (this.readiness !== 'starting') return; // Told to stop meanwhile.
    this.readiness = 'ready';
    for (const line of startupLines(config, snapshot, ports, adminPort)) {
      process.stdout.write(`${line}\n`);
    }
    send({ type: 'ready' });
  }

  private onListenFailed(listener: string, message: string): void {
    this.logger.error('a listener failed', { listener, error: message });
    if (this.readiness === 'starting') send({ type: 'refused' });
  }

  private openAccessLog(config: Config): LogFile | null {
    const spec = config.observe.accessLog;
    if (spec === null) return null;
    return new LogFile({
      path: spec.path,
      fileSystem: nodeLogFileSystem,
      later: (delayMs, task) => void setTimeout(task, delayMs),
      onProblem: (message, code) => this.logger.error(message, { code }),
    });
  }

  /** @returns the bound port, or 0 when the admin listener is off or cannot be bound */
  private async openAdmin(config: Config, snapshot: Snapshot, restarts: number): Promise<number> {
    const address = config.admin.address;
    if (address === null || address.kind !== 'tcp') return 0;
    this.admin = createAdmin({
      address,
      host: adminHost({
        snapshot,
        pool: this.pool!,
        logger: this.logger,
        accessLog: this.accessLog,
        startMs: this.startMs,
        restarts,
        readiness: () => this.readiness,
      }),
      onError: (error) => this.logger.error('admin request failed', { error: String(error) }),
    });
    try {
      return await this.admin.listen();
    } catch (error) {
      this.admin = null;
      this.logger.error('the admin listener is off', { error: (error as Error).message });
      return 0;
    }
  }

  private async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    await this.accessLog?.close(LOG_CLOSE_MS);
    await this.admin?.close();
    this.logger.info('stopped');
    process.exit(0);
  }
}

function send(message: FromProxy): void {
  process.send?.(message);
}

/** Waits for orders of the supervisor. */
export function runProxyProcess(): void {
  const proxy = new ProxyProcess();
  // The terminal sends signals to both processes; only the supervisor turns them into orders.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => {});
  }
  process.on('message', (message: ToProxy) => {
    switch (message.type) {
      case 'start':
        proxy.start(message);
        return;
      case 'drain':
        proxy.drain();
        return;
      case 'abort':
        proxy.abort();
        return;
      case 'reopen-logs':
        proxy.reopenLogs();
    }
  });
  process.on('disconnect', () => proxy.drain()); // The supervisor is gone.
}
