/**
 * Supervisor: keeps the listening sockets open and a proxy process behind them. Turns signals into
 * orders: SIGTERM and SIGINT drain, a second one aborts, SIGHUP reloads, SIGUSR1 reopens logs,
 * SIGUSR2 upgrades.
 *
 * S1  at most one process is current; a successor becomes current when it is ready, and only then
 *     does the one before it drain. A successor that fails changes nothing; one that may have
 *     accepted connections already is drained, not killed.
 * S2  a process that dies is started again with what the last good one handed over, later and
 *     later while it keeps dying.
 * S3  it holds sockets and that heritage, nothing else.
 */

import type { SavedFile } from '../control/apply/reload-outcome.ts';
import type { Config } from '../control/config/config.ts';
import { collectGarbage } from './garbage.ts';
import type { DrainChanges, FromProxy, Heritage } from './orders.ts';
import { workerCount } from './process-limits.ts';
import { ProxyChild } from './proxy-child.ts';
import type { Child, ChildEvents, ChildStart, Command } from './proxy-child.ts';
import { currentCommand, upgradeCommand } from './proxy-command.ts';
import { ServiceManager } from './service-manager.ts';
import { passedSockets } from './socket-activation.ts';
import { addressText } from './socket-address.ts';
import { SocketBroker } from './socket-broker.ts';
import { writeError } from './standard-error.ts';
import { version } from './version.ts';

/** The first restart is at once; this is before the second. */
const RESTART_DELAY_MIN_MS = 100;
const RESTART_DELAY_MAX_MS = 10_000;
/** A signal this soon after another is the same one, sent by a terminal and by npm alike. */
const SIGNAL_ECHO_MS = 200;
/** An aborting process that still lives after this long is stuck, and is killed. */
const ABORT_MAX_MS = 3_000;
/**
 * A process that served, and lived this long, was well: it is replaced soon. One that dies every
 * few seconds costs a fraction of a core in starts, and is still better than nobody.
 */
const STABLE_MS = 2_000;
/** A process that does not say what it serves by then is upgraded from what it said before. */
const HAND_OVER_MAX_MS = 1_000;
/** A successor that is not ready by then does not take over. */
const UPGRADE_MAX_MS = 30_000;
/** Nothing else would make this quiet process collect for a long time. */
const GARBAGE_DELAY_MS = 2_000;
/** Processes that finish what they have, each with the memory of a whole proxy. */
const DRAINING_MAX = 16;

/** Of a service manager, for this process. */
const OWN_VARIABLES = [
  'LISTEN_PID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'NOTIFY_SOCKET',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
];

export interface SupervisorOptions {
  readonly config: Config;
  /** Path of the main file; empty when there is none. */
  readonly configPath: string;
  /** Its files as they were read; absent when there are none. */
  readonly files?: readonly SavedFile[];
  /** Called with the exit code when everything has ended. */
  readonly onExit: (code: number) => void;
  /** For tests: those of this process by default. */
  readonly signals?: { on(name: NodeJS.Signals, listener: () => void): unknown };
  /** For tests. */
  readonly startChild?: (start: ChildStart, events: ChildEvents) => Child;
}

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly broker: SocketBroker;
  private readonly events: ChildEvents;
  private readonly service = new ServiceManager();
  private heritage: Heritage;
  private heritageVersion = version();
  private command: Command = currentCommand();
  /** Another number takes effect with an upgrade: sockets of too many would be left unattended. */
  private workers = 0;
  private current: Child | null = null;
  private successor: Child | null = null;
  /** Processes that finish what they have. */
  private readonly draining = new Set<Child>();
  private hasServed = false;
  private restarts = 0;
  private restartDelayMs = 0;
  private restartTimer: NodeJS.Timeout | undefined;
  private upgrades = 0;
  private upgradeTimer: NodeJS.Timeout | undefined;
  /** The process that asked for the upgrade, and is told how it ended; null: a signal did. */
  private upgradeAsker: Child | null = null;
  /** A signal asked for one, and the current process has not said yet what it serves. */
  private isUpgradeDue = false;
  /** What the successor started with. */
  private upgradeHeritage: Heritage | null = null;
  /** Of the sockets that were passed in, those that people were told about. */
  private unused: readonly string[] = [];
  private stopSignals = 0;
  private stopSignalMs = 0;
  private exitCode = 0;

  constructor(options: SupervisorOptions) {
    this.options = options;
    const { config, configPath, files = [] } = options;
    this.heritage = {
      config,
      configPath,
      files,
      generation: 0,
      takenBack: null,
      draining: [],
      tickets: null,
    };
    const { sockets, problems } = passedSockets(process.env);
    problems.forEach(say);
    this.broker = new SocketBroker(sockets);
    this.events = {
      onMessage: (child, message) => this.onMessage(child, message),
      onExit: (child, end, code) => this.onChildExit(child, end, code),
    };
  }

  start(): void {
    const signals = this.options.signals ?? process;
    signals.on('SIGTERM', () => this.onStopSignal());
    signals.on('SIGINT', () => this.onStopSignal());
    signals.on('SIGUSR1', () => this.current?.order({ type: 'reopen-logs' }));
    signals.on('SIGUSR2', () => this.onUpgradeSignal());
    // A closing terminal sends it too; it must not end a proxy.
    signals.on('SIGHUP', () => this.reload());
    this.workers = workerCount(this.heritage.config.workers);
    this.current = this.spawn(this.command, this.workers);
  }

  private reload(): void {
    if (this.current === null || this.stopSignals > 0) return; // A start looks at the files, too.
    if (this.current.isReady) this.service.reloading();
    this.current.order({ type: 'reload' });
  }

  private spawn(command: Command, workers: number): Child {
    const { heritage, heritageVersion, restarts } = this;
    const start = {
      command,
      env: childEnvironment(),
      heritage,
      heritageVersion,
      workers,
      restarts,
      upgrades: this.upgrades + (this.current === null ? 0 : 1),
    };
    return (this.options.startChild ?? startChild)(start, this.events);
  }

  private onMessage(child: Child, message: FromProxy): void {
    switch (message.type) {
      case 'want-socket':
        return this.answer(child, message);
      case 'addresses':
        child.addresses = message.addresses;
        return this.retainSockets();
      case 'heritage':
        child.heritage = {
          ...message.heritage,
          config: message.heritage.config ?? child.heritage.config,
        };
        child.heritageVersion = message.version;
        if (child === this.current) this.inherit(child);
        return this.upgradeIfDue();
      case 'ready':
        return this.onReady(child);
      case 'refused':
        return this.onRefused(child, message.message);
      case 'upgrade':
        return this.upgrade(child);
      case 'close-listeners':
        if (this.stopSignals > 0) this.broker.closeListeners();
        return child.order({ type: 'listeners-closed' });
      case 'reloaded':
        return this.sayServing(child);
      case 'alive':
        if (child === this.current) this.service.alive();
    }
  }

  private sayServing(child: Child): void {
    if (child !== this.current || !child.isReady || this.stopSignals > 0) return;
    this.service.ready(`serving generation ${this.heritage.generation}`);
  }

  private inherit(child: Child): void {
    this.heritage = child.heritage;
    this.heritageVersion = child.heritageVersion;
  }

  private answer(
    child: Child,
    { id, address, worker }: Extract<FromProxy, { type: 'want-socket' }>,
  ): void {
    child.hasSockets = true;
    this.broker
      .want(address, worker, ({ port, handle }) => {
        return child.deliver({ type: 'socket', id, port }, handle);
      })
      .catch((error: Error) => {
        child.order({ type: 'socket-failed', id, message: error.message });
      });
  }

  /** Not during an upgrade: the two processes may have different configurations. */
  private retainSockets(): void {
    const addresses = this.current?.addresses ?? null;
    if (addresses === null || this.successor !== null) return;
    void this.broker.retain(addresses).then(() => this.tellUnused());
    void this.broker.limitWorkers(this.current!.workers);
  }

  private onReady(child: Child): void {
    child.isReady = true;
    this.hasServed = true;
    setTimeout(collectGarbage, GARBAGE_DELAY_MS).unref(); // What was read to start it.
    if (child === this.successor) this.takeOver(child);
    this.sayServing(child);
    this.upgradeIfDue();
    this.tellUnused();
  }

  /** Each socket once, until it is used again. */
  private tellUnused(): void {
    if (this.current?.isReady !== true) return; // It has not asked for all of them yet.
    const unused = this.broker.unused.map(addressText);
    for (const text of unused) {
      if (this.unused.includes(text)) continue;
      say(`${text} was passed in, but no listener has that address: connections to it wait`);
    }
    this.unused = unused;
  }

  private onRefused(child: Child, message: string): void {
    if (child === this.successor) {
      this.failUpgrade(message);
      child.kill();
    } else if (child === this.current) {
      say(message);
      // What served once may serve again: a want of descriptors or memory passes.
      if (!this.hasServed) this.stopSignals = 1;
      this.exitCode = 1;
      child.kill();
    }
  }

  /** First the process that runs says what it serves by now, unless it is stuck. */
  private onUpgradeSignal(): void {
    this.isUpgradeDue = true;
    if (this.upgradeProblem() !== null) return this.upgradeIfDue();
    this.current!.order({ type: 'hand-over' });
    setTimeout(() => this.upgradeIfDue(), HAND_OVER_MAX_MS).unref();
  }

  private upgradeIfDue(): void {
    if (!this.isUpgradeDue || this.current?.isReady === false) return;
    this.isUpgradeDue = false;
    this.upgrade(null);
  }

  /** Starts a second process from what is on disk now, which takes over when it is ready. */
  private upgrade(asker: Child | null): void {
    const problem = this.upgradeProblem();
    if (problem !== null) {
      say(`no upgrade: ${problem}`);
      asker?.order({ type: 'upgraded', problem });
      return;
    }
    this.upgradeAsker = asker;
    this.upgradeHeritage = this.heritage;
    const workers = workerCount(this.heritage.config.workers);
    this.successor = this.spawn(upgradeCommand(this.command), workers);
    this.upgradeTimer = setTimeout(() => {
      this.failUpgrade(`the new process was not ready after ${UPGRADE_MAX_MS / 1_000} s`);
    }, UPGRADE_MAX_MS);
  }

  private upgradeProblem(): string | null {
    if (this.stopSignals > 0) return 'the proxy is stopping';
    if (this.successor !== null) return 'an upgrade is running already';
    if (this.current === null) return 'the proxy process is being started again';
    const count = this.draining.size;
    return count < DRAINING_MAX ? null : `${count} processes before it have not ended yet`;
  }

  private failUpgrade(problem: string): void {
    const { successor } = this;
    if (successor === null) return;
    this.successor = null;
    clearTimeout(this.upgradeTimer);
    say(`the upgrade failed, and the process before it serves on: ${problem}`);
    this.upgradeAsker?.order({ type: 'upgraded', problem });
    this.letEnd(successor);
    if (!successor.hasSockets) successor.kill();
    else if (this.stopSignals === 0) successor.order({ type: 'drain', hasSuccessor: true });
    this.retainSockets();
    if (this.current === null) this.restart('no proxy process is left');
  }

  private takeOver(child: Child): void {
    clearTimeout(this.upgradeTimer);
    const old = this.current;
    const hasChanged = this.heritage !== this.upgradeHeritage;
    const since = drainChanges(this.upgradeHeritage!, this.heritage);
    this.successor = null;
    this.current = child;
    this.command = child.command;
    this.workers = child.workers;
    this.inherit(child);
    this.upgrades++;
    this.retainSockets();
    if (hasChanged) child.order({ type: 'reload', since }); // Something was applied meanwhile.
    if (old === null) return;
    this.upgradeAsker?.order({ type: 'upgraded', problem: null });
    old.order({ type: 'drain', hasSuccessor: true });
    this.letEnd(old);
  }

  /** A process that has its orders to end; it is killed when it does not. */
  private letEnd(child: Child): void {
    this.draining.add(child);
    const endMs = child.heritage.config.drainTimeoutMs + ABORT_MAX_MS;
    setTimeout(() => child.kill(), endMs).unref();
  }

  private onStopSignal(): void {
    const nowMs = performance.now();
    const isEcho = this.stopSignals > 0 && nowMs - this.stopSignalMs < SIGNAL_ECHO_MS;
    this.stopSignalMs = nowMs;
    if (isEcho) return;
    this.stopSignals++;
    clearTimeout(this.restartTimer);
    const { drainDelayMs, drainTimeoutMs } = this.heritage.config;
    const endMs = drainDelayMs + drainTimeoutMs + ABORT_MAX_MS;
    this.service.stopping(endMs);
    if (this.successor !== null) this.failUpgrade('the proxy is stopping');
    const children = this.children();
    if (this.stopSignals === 1) {
      for (const child of children) child.order({ type: 'drain', hasSuccessor: false });
    } else {
      for (const child of children) child.order({ type: 'abort' });
    }
    // One that is stuck takes no orders.
    const killMs = this.stopSignals === 1 ? endMs : ABORT_MAX_MS;
    setTimeout(() => children.forEach((child) => child.kill()), killMs).unref();
    this.checkEnd();
  }

  private children(): Child[] {
    return this.current === null ? [...this.draining] : [this.current, ...this.draining];
  }

  private onChildExit(child: Child, end: string, code: number | null): void {
    if (child === this.successor) {
      this.failUpgrade(`the new process ended (${end})`);
    }
    this.draining.delete(child);
    if (child !== this.current) return this.checkEnd();
    this.current = null;
    if (this.stopSignals > 0) {
      this.exitCode = this.exitCode || (code ?? 1);
      return this.checkEnd();
    }
    if (child.isReady && child.livedMs > STABLE_MS) this.restartDelayMs = 0;
    const lived = `${(child.livedMs / 1_000).toFixed(1)} s`;
    this.restart(`the proxy process ended (${end}) after ${lived}`);
  }

  private restart(reason: string): void {
    if (this.stopSignals > 0) return;
    this.exitCode = 0;
    this.isUpgradeDue = false;
    this.restarts++;
    this.service.status(reason);
    this.service.alive(); // To start this process again would not help the other.
    if (this.successor !== null) return say(`${reason}; its successor is starting already`);
    const delayMs = this.restartDelayMs;
    const longerMs = Math.max(delayMs * 2, RESTART_DELAY_MIN_MS);
    this.restartDelayMs = Math.min(longerMs, RESTART_DELAY_MAX_MS);
    const when = delayMs === 0 ? 'now' : `in ${delayMs} ms`;
    say(`${reason}; start ${this.restarts} of another one ${when}`);
    this.restartTimer = setTimeout(() => {
      this.current = this.spawn(this.command, this.workers);
    }, delayMs);
  }

  private checkEnd(): void {
    if (this.stopSignals === 0 || this.children().length > 0) return;
    this.broker.close();
    this.options.onExit(this.exitCode);
  }
}

function drainChanges(before: Heritage, after: Heritage): DrainChanges {
  const was = new Set(before.draining);
  const is = new Set(after.draining);
  return {
    drained: after.draining.filter((id) => !was.has(id)),
    undrained: before.draining.filter((id) => !is.has(id)),
  };
}

function startChild(start: ChildStart, events: ChildEvents): Child {
  return new ProxyChild(start, events);
}

/** What is meant for this process alone stays here. */
function childEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of OWN_VARIABLES) delete env[name];
  return env;
}

function say(text: string): void {
  writeError(`proxy-now: ${text}\n`);
}
