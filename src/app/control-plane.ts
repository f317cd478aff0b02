/**
 * Control plane of a proxy process: what is served now, and everything that may change it. Puts
 * the rooms of control together with the workers; decides nothing that a room could decide.
 *
 * N1  a configuration is published whole or not at all. What concerns control alone (log level,
 *     access log file, administration, health checks) follows when the workers serve it.
 * N2  workers hear of the health of new endpoints before they see the endpoints.
 * N3  an update builds on what the workers have: after a publication that failed, that is what
 *     was served before it.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';

import { endpointId } from '../contract/health.ts';
import type { LimitsSpec, Snapshot } from '../contract/snapshot.ts';
import type { Readiness, UpgradeOutcome } from '../control/admin/admin-api.ts';
import { FailureSampler } from '../control/apply/failure-sample.ts';
import { FileWatcher } from '../control/apply/file-watcher.ts';
import type { Publication, WatchedInputs } from '../control/apply/reload-outcome.ts';
import { Reloader } from '../control/apply/reloader.ts';
import { RollbackGuard } from '../control/apply/rollback.ts';
import { Compiler } from '../control/compile/compiler.ts';
import { LoadMemory } from '../control/config/load-memory.ts';
import type { Config } from '../control/config/config.ts';
import { HealthBoard } from '../control/probe/health-board.ts';
import type { Logger } from '../control/admin/logger.ts';
import { Prober } from '../control/probe/prober.ts';
import { AccessLogOutput } from './access-log-output.ts';
import type { ControlFigures } from './admin-host.ts';
import { adminHost } from './admin-host.ts';
import { AdminListeners } from './admin-listeners.ts';
import { FILE_LOAD_OPTIONS, FILE_SOURCE } from './config-file.ts';
import type { BrokerClient } from './broker-client.ts';
import { CertificatePlane } from './certificate-plane.ts';
import type { DrainChanges, Heritage } from './orders.ts';
import { ConfigAutosave } from './config-autosave.ts';
import { collectGarbage } from './garbage.ts';
import { limitsNotice, resolveLimits } from './process-limits.ts';
import { startupLines } from './startup-lines.ts';
import { WorkerPool } from './worker-pool.ts';

/** Changes closer together than this are told to the supervisor as one. */
const HERITAGE_DELAY_MS = 200;
/** Between a reload and the collection of what it left, so that a series costs one in a while. */
const GARBAGE_DELAY_MS = 5_000;
/** A little more than an order takes at most that is broken off. */
const CERTIFICATES_CLOSE_MAX_MS = 6_000;

export interface ControlPlaneOptions {
  readonly heritage: Heritage;
  readonly workers: number;
  readonly restarts: number;
  readonly upgrades: number;
  readonly broker: BrokerClient;
  readonly logger: Logger;
  /** After each applied configuration: what a successor should start with. */
  readonly onHeritage: (heritage: Heritage) => void;
  /** Asks the supervisor for a successor; the answer comes to `upgraded`. */
  readonly askUpgrade: () => void;
  readonly readiness: () => Readiness;
  /** Workers die too often; the process ends and the supervisor starts another. */
  readonly onHopeless: () => void;
}

export class ControlPlane {
  private readonly options: ControlPlaneOptions;
  private readonly startTimeMs = Date.now();
  private readonly loopDelay = monitorEventLoopDelay({ resolution: 20 });
  private readonly compiler: Compiler;
  private readonly board: HealthBoard;
  private readonly prober: Prober;
  private readonly pool: WorkerPool;
  private readonly reloader: Reloader;
  private readonly watcher: FileWatcher;
  private readonly accessLog: AccessLogOutput;
  private readonly admin: AdminListeners;
  private readonly certificates: CertificatePlane;
  private readonly drained: Promise<void>;
  private readonly autosave: ConfigAutosave;
  /** What the workers serve. */
  private config: Config;
  private snapshot: Snapshot;
  private inputs: { readonly of: WatchedInputs; readonly isCurrent: () => boolean } | null = null;
  private onListening: (ports: { readonly [listener: string]: number }) => void = () => {};
  private onRefused: (error: Error) => void = () => {};
  private onDrained: () => void = () => {};
  private garbageTimer: NodeJS.Timeout | undefined;
  private heritageTimer: NodeJS.Timeout | undefined;
  private notice: string | null = null;
  private certificatesClosed: Promise<void> | null = null;
  private readonly aborted = Promise.withResolvers<void>();
  private onUpgraded: ((outcome: UpgradeOutcome) => void) | null = null;

  constructor(options: ControlPlaneOptions) {
    const { heritage, logger, broker } = options;
    const { config, configPath } = heritage;
    this.options = options;
    this.config = config;
    this.drained = new Promise((resolve) => (this.onDrained = resolve));
    this.accessLog = new AccessLogOutput(logger);
    this.autosave = new ConfigAutosave(configPath, logger);
    this.compiler = new Compiler({
      generation: heritage.generation,
      resolveLimits: (asked) => this.resolveLimits(asked),
    });
    this.snapshot = this.compiler.compile(config).snapshot;
    this.board = this.createBoard();
    this.prober = new Prober({
      nowMs,
      random: () => Math.random(),
      setTimer: schedule,
      onCheck: (service, endpoint, result) => this.board.onCheck(service, endpoint, result),
    });
    this.certificates = new CertificatePlane({
      configPath,
      config,
      tickets: heritage.tickets,
      logger,
      readers: () => this.pool.threads(),
      send: (message) => this.pool.send(message),
      onTickets: () => this.tellHeritage(),
    });
    this.pool = this.createPool();
    this.watcher = new FileWatcher({
      debounceMs: config.reload.debounceMs,
      glob: (pattern, folder) => FILE_SOURCE.glob(pattern, folder),
      onChange: () => void this.reloader.reload('file'),
      log: logger,
      schedule,
      nowMs,
    });
    this.reloader = this.createReloader();
    const host = adminHost({
      configPath,
      startTimeMs: this.startTimeMs,
      reloader: this.reloader,
      snapshot: () => this.snapshot,
      figures: () => this.figures(),
      readiness: options.readiness,
      cells: () => this.pool.metrics,
      workers: () => this.pool.states,
      endpoints: () => this.board.rows(),
      setDraining: (endpoint, service, isDraining) =>
        this.setDraining(endpoint, service, isDraining),
      upgrade: () => this.upgrade(),
      certificates: this.certificates.desk,
      logLevel: () => logger.level,
      setLogLevel: (level) => logger.setLevel(level),
    });
    this.admin = new AdminListeners({ broker, logger, host, configPath });
  }

  get drainDelayMs(): number {
    return this.config.drainDelayMs;
  }

  get drainTimeoutMs(): number {
    return this.config.drainTimeoutMs;
  }

  /**
   * Starts workers and administration. Resolves with what a person is told when all of it serves;
   * rejects when it cannot serve, and starting again would not help.
   */
  async start(): Promise<readonly string[]> {
    const { config } = this;
    const { draining, configPath } = this.options.heritage;
    this.loopDelay.enable();
    this.accessLog.use(config.observe.accessLog?.path ?? null);
    this.board.configure(config.services);
    this.board.restore(draining);
    this.prober.configure(config.services);
    await this.certificates.load();
    const ports = await new Promise<{ readonly [listener: string]: number }>((resolve, reject) => {
      this.onListening = resolve;
      this.onRefused = reject;
      this.pool.start();
    });
    this.certificates.serve();
    const adminPort = await this.admin.use(config.admin, config.certificates);
    this.sendHeritage();
    // What changed on disk since the configuration was read (or since it was last good) counts.
    // Not before it has said that it serves: to read thousands of certificates takes a second.
    if (configPath !== '') setImmediate(() => void this.reloader.reload('start'));
    this.collectLater();
    return startupLines(config, this.snapshot, ports, adminPort);
  }

  /** Resolves when it is over, whatever its outcome. */
  async reload(): Promise<void> {
    await this.reloader.reload('signal');
  }

  /** What an operator drained and took back while this process was starting. */
  changeDraining({ drained, undrained }: DrainChanges): void {
    const over = new Set(undrained);
    for (const { service, endpoint } of this.board.rows()) {
      if (over.has(endpointId(service, endpoint))) this.board.undrain(endpoint, service);
    }
    this.board.restore(drained);
    this.tellHeritage();
  }

  /** Tells the supervisor what a successor should start with, as of now. */
  handOver(): void {
    this.sendHeritage();
  }

  reopenLogs(): void {
    this.accessLog.reopen();
    this.options.logger.info('access log reopened');
  }

  /** How the upgrade it asked for ended; null: well. */
  upgraded(problem: string | null): void {
    this.onUpgraded?.(problem === null ? { status: 'upgraded' } : { status: 'failed', problem });
    this.onUpgraded = null;
  }

  /** True while the workers answer. */
  isAlive(): boolean {
    return this.pool.isAlive;
  }

  /** Stops accepting; resolves when the last exchange has ended. */
  drain(hasSuccessor: boolean): Promise<void> {
    this.watcher.close();
    this.reloader.close();
    this.prober.close();
    this.certificatesClosed ??= this.certificates.close();
    this.pool.drain(hasSuccessor);
    if (hasSuccessor) void this.admin.close(); // The successor answers there.
    return this.drained;
  }

  /** Ends what is still open; the promise of `drain` resolves. */
  abort(): void {
    this.aborted.resolve();
    this.pool.abort();
  }

  /**
   * Ends the rest: logs are written out, administration stops. Orders under way get a few seconds
   * to take away what they have put into DNS, and to give their locks back.
   */
  async close(): Promise<void> {
    this.board.close();
    const late = new Promise((resolve) => setTimeout(resolve, CERTIFICATES_CLOSE_MAX_MS));
    await Promise.race([this.certificatesClosed, late, this.aborted.promise]);
    await this.accessLog.close();
    await this.admin.close();
  }

  /** Says so, once, when there are fewer descriptors than connections were asked for. */
  private resolveLimits(asked: LimitsSpec): LimitsSpec {
    const limits = resolveLimits(asked, this.options.workers, this.config.listeners.length);
    const notice = limitsNotice(asked, limits);
    if (notice !== null && notice !== this.notice) this.options.logger.warn(notice);
    this.notice = notice;
    return limits;
  }

  private createBoard(): HealthBoard {
    const { logger } = this.options;
    return new HealthBoard({
      nowMs,
      wallMs: () => Date.now(),
      setTimer: schedule,
      publish: (endpoints) => this.pool.send({ type: 'health', endpoints }),
      tryConnect: (service, endpoint, done) => this.prober.tryConnect(service, endpoint, done),
      onChange: ({ service, endpoint, state, reason }) => {
        logger.warn('endpoint', { service, endpoint, state, reason });
      },
    });
  }

  private createPool(): WorkerPool {
    const { workers, broker, logger, onHopeless } = this.options;
    return new WorkerPool(
      {
        count: workers,
        sockets: broker,
        logger,
        health: () => this.board.health(),
        tls: () => this.certificates.workerStart(),
        drainTimeoutMs: () => this.drainTimeoutMs,
        onListening: (ports) => this.onListening(ports),
        onListenFailed: (listener, message) => {
          logger.error('a listener failed', { listener, error: message });
          this.onRefused(new Error(`listener ${listener}: ${message}`));
        },
        onOutlier: (report) => this.board.onOutlier(report),
        onChallenged: () => this.certificates.onChallenged(),
        onCertificateWanted: (name, peerAddress) => this.certificates.wanted(name, peerAddress),
        onLogFilled: (bytes, done) => this.accessLog.write(bytes, done),
        onDrained: () => this.onDrained(),
        onHopeless,
      },
      this.snapshot,
    );
  }

  private createReloader(): Reloader {
    const { heritage, logger } = this.options;
    const sampler = new FailureSampler();
    return new Reloader({
      path: heritage.configPath,
      source: FILE_SOURCE,
      loadOptions: { ...FILE_LOAD_OPTIONS, memory: new LoadMemory() },
      served: {
        config: heritage.config,
        generation: this.snapshot.generation,
        files: heritage.files,
        takenBack: heritage.takenBack,
      },
      publish: (publication) => this.publish(publication),
      guard: new RollbackGuard({
        sample: () =>
          sampler.sample(
            this.pool.metrics.map(({ cells }) => cells),
            this.snapshot.routes,
          ),
        schedule,
        nowMs,
      }),
      onInputs: (of, isCurrent) => {
        this.inputs = { of, isCurrent };
        this.watch();
      },
      onGood: (files) => this.autosave.save(files, this.config.reload.autosave),
      onOutcome: ({ status }) => {
        if (status === 'applied') this.tellHeritage();
        if (status !== 'unchanged') this.collectLater();
      },
      log: logger,
      nowMs,
      wallMs: () => Date.now(),
    });
  }

  /** N1. Rejects with the reason, and nothing has changed then. */
  private async publish({ config, changedRoutes }: Publication): Promise<number> {
    const before = this.config;
    this.config = config;
    const takeBackHealth = this.board.configure(config.services); // N2
    try {
      this.certificates.configure(config);
      // N3.
      const { snapshot, update } = this.compiler.compile(config, this.snapshot);
      if (config.observe.accessLog !== null) this.accessLog.use(config.observe.accessLog.path);
      await this.pool.publish(snapshot, update, changedRoutes);
      this.snapshot = snapshot;
    } catch (error) {
      this.config = before;
      takeBackHealth();
      this.certificates.configure(before);
      this.accessLog.use(before.observe.accessLog?.path ?? null);
      throw error;
    }
    this.prober.configure(config.services);
    this.accessLog.use(config.observe.accessLog?.path ?? null);
    const { logLevel } = config.observe;
    if (logLevel !== before.observe.logLevel) this.options.logger.setLevel(logLevel);
    this.watcher.setDebounce(config.reload.debounceMs);
    if (config.reload.watch !== before.reload.watch) this.watch();
    await this.admin.use(config.admin, config.certificates);
    return this.snapshot.generation;
  }

  private watch(): void {
    if (!this.config.reload.watch) this.watcher.watch({ files: [], globs: [] }, () => true);
    else if (this.inputs !== null) this.watcher.watch(this.inputs.of, this.inputs.isCurrent);
  }

  /** A reload leaves garbage that nothing on this quiet thread would collect for a long time. */
  private collectLater(): void {
    if (this.garbageTimer !== undefined) return;
    this.garbageTimer = setTimeout(() => {
      this.garbageTimer = undefined;
      collectGarbage();
    }, GARBAGE_DELAY_MS).unref();
  }

  /** Soon, not at once: of a large configuration this takes longer than a small reload does. */
  private tellHeritage(): void {
    if (this.heritageTimer !== undefined) return;
    this.heritageTimer = setTimeout(() => this.sendHeritage(), HERITAGE_DELAY_MS).unref();
  }

  private sendHeritage(): void {
    clearTimeout(this.heritageTimer);
    this.heritageTimer = undefined;
    this.options.onHeritage({
      config: this.config,
      configPath: this.options.heritage.configPath,
      files: this.reloader.files,
      takenBack: this.reloader.takenBack,
      generation: this.snapshot.generation,
      draining: this.board.draining(),
      tickets: this.certificates.tickets(),
    });
  }

  private setDraining(endpoint: string, service: string | null, isDraining: boolean): number {
    const count = isDraining
      ? this.board.drain(endpoint, service)
      : this.board.undrain(endpoint, service);
    if (count > 0) this.tellHeritage();
    return count;
  }

  private upgrade(): Promise<UpgradeOutcome> {
    if (this.onUpgraded !== null) return Promise.resolve({ status: 'busy' });
    return new Promise((resolve) => {
      this.onUpgraded = resolve;
      this.sendHeritage();
      this.options.askUpgrade();
    });
  }

  private figures(): ControlFigures {
    const eventLoopLagMs = this.loopDelay.max / 1e6;
    this.loopDelay.reset();
    return {
      workers: this.pool.states.filter(({ state }) => state === 'listening').length,
      workerRestarts: this.pool.restarts,
      processRestarts: this.options.restarts,
      accessLogWriteDropped: this.accessLog.droppedLines,
      autosaveFailures: this.autosave.failures,
      ejections: this.board.ejectionCount,
      healthChecks: this.prober.checkCount,
      healthChecksFailed: this.prober.failedCount,
      upgrades: this.options.upgrades,
      eventLoopLagMs,
    };
  }
}

function nowMs(): number {
  return performance.now();
}

/** Calls `task` once, later. @returns cancels it */
function schedule(delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
}
