/**
 * Listener set: the listeners of one worker, from one generation to the next.
 *
 * S1  an address (kind, host, port) that stays keeps its listener with everything it has, whatever
 *     the listener is called now and wherever it stands in the snapshot. Control keeps account of
 *     addresses as well: a listener that comes with a descriptor is new.
 * S2  a listener whose address is gone stops accepting and drains. What still comes on its
 *     connections is routed by the last generation that had it, so that no request is lost.
 */

import type { ListenerFds } from '../../contract/message.ts';
import type { ListenerSpec } from '../../contract/snapshot.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { LinkedSnapshot } from '../exchange/linked-snapshot.ts';
import type { Plane } from '../exchange/plane.ts';
import type { WorkerTls } from '../tls/worker-tls.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import type { DrainTimes } from './listener.ts';
import { Listener } from './listener.ts';

/** Bound ports by listener name. */
export type ListenerPorts = { readonly [listener: string]: number };

export interface ListenerSetOptions {
  readonly counts: ConnectionCounts;
  readonly tls: WorkerTls;
  readonly workerCount: number;
  /** False for listeners that another worker serves alone. */
  readonly servesListener: (spec: ListenerSpec, fd: number) => boolean;
  /** The address cannot be listened on, or accepting failed. */
  readonly reportListenError: (listener: string, message: string) => void;
  /** A listener that drains has become empty. */
  readonly onDrained: () => void;
}

/** What `reconcile` is waiting for. */
interface Opening {
  waiting: number;
  failed: number;
  ports: { [listener: string]: number };
}

export class ListenerSet {
  private readonly plane: Plane;
  private readonly options: ListenerSetOptions;
  private live: Listener[] = [];
  /** Still draining, their addresses gone. */
  private readonly gone = new Set<Listener>();

  constructor(plane: Plane, options: ListenerSetOptions) {
    this.plane = plane;
    this.options = options;
  }

  /**
   * Makes the listeners those of `linked`: opens new addresses, keeps those that stay, drains the
   * others.
   * @param fds already bound sockets of new listeners; those without one are bound here
   * @param drain for the listeners that are gone
   * @param done called later, once: no listener is being opened any more
   */
  reconcile(
    linked: LinkedSnapshot,
    fds: ListenerFds,
    drain: DrainTimes,
    done: (ports: ListenerPorts, failed: number) => void,
  ): void {
    const previous = this.live;
    const opening: Opening = { waiting: 1, failed: 0, ports: {} };
    const settle = (): void => {
      if (--opening.waiting === 0) done(opening.ports, opening.failed);
    };
    const specs = linked.snapshot.listeners;
    const kept = matchKept(specs, previous, fds);
    this.live = [];
    specs.forEach((spec, index) => {
      const known = kept[index] ?? null;
      if (known !== null) {
        known.configure(linked, index);
        opening.ports[spec.name] = known.port;
        this.live.push(known);
        return;
      }
      const fd = fds[spec.name] ?? -1;
      if (!this.options.servesListener(spec, fd)) return;
      opening.waiting++;
      this.open(linked, index, fd, opening, settle);
    });
    for (const listener of previous) {
      if (!kept.includes(listener)) this.drainGone(listener, drain);
    }
    this.plane.backend.defer(settle);
  }

  /** Calls `visit` for every exchange that is in progress. It may end the exchange. */
  visitExchanges(visit: (exchange: Exchange) => void): void {
    for (const listener of this.all()) listener.visitExchanges(visit);
  }

  drain(times: DrainTimes): void {
    for (const listener of this.all()) listener.drain(times);
  }

  abort(): void {
    for (const listener of this.all()) listener.abort();
  }

  /** Gives up clients that have taken nothing of their answer for `stalledMs`. */
  closeStalled(stalledMs: number): void {
    for (const listener of this.all()) listener.closeStalled(stalledMs);
  }

  /** Closes at most `max` connections that wait for a further request, the oldest first. */
  closeUnused(max: number): void {
    let left = max;
    for (const listener of this.all()) {
      if (left > 0) left -= listener.closeUnused(left);
    }
  }

  /** True when nothing listens and no connection is open. */
  get isDrained(): boolean {
    return this.all().every((listener) => listener.isDrained);
  }

  private all(): Listener[] {
    return [...this.live, ...this.gone];
  }

  private open(
    linked: LinkedSnapshot,
    index: number,
    fd: number,
    opening: Opening,
    // oxlint-disable-next-line max-params -- a step of `reconcile`.
    settle: () => void,
  ): void {
    const { name } = linked.snapshot.listeners[index]!;
    const listener: Listener = new Listener({
      linked,
      index,
      fd,
      plane: this.plane,
      counts: this.options.counts,
      tls: this.options.tls,
      workerCount: this.options.workerCount,
      onListening: (port) => {
        opening.ports[name] = port;
        settle();
      },
      onFailed: (message) => {
        opening.failed++;
        this.live = this.live.filter((other) => other !== listener);
        this.options.reportListenError(name, message);
        settle();
      },
      onAcceptError: (message) => this.options.reportListenError(listener.name, message),
      onDrained: () => {
        this.gone.delete(listener);
        this.options.onDrained();
      },
    });
    this.live.push(listener);
  }

  private drainGone(listener: Listener, times: DrainTimes): void {
    this.gone.add(listener);
    listener.drain(times);
  }
}

/**
 * Finds the open listener of each spec's address. Several may have the same address (port 0 is
 * another port each time): the one of the same name comes first.
 */
function matchKept(
  specs: readonly ListenerSpec[],
  open: readonly Listener[],
  fds: ListenerFds,
): readonly (Listener | null)[] {
  const free = new Set(open);
  const kept: (Listener | null)[] = specs.map((spec) => {
    if (fds[spec.name] !== undefined) return null;
    const same = open.find((other) => other.name === spec.name && other.hasAddress(spec));
    if (same === undefined) return null;
    free.delete(same);
    return same;
  });
  specs.forEach((spec, index) => {
    if (kept[index] !== null || fds[spec.name] !== undefined) return;
    for (const other of free) {
      if (!other.hasAddress(spec)) continue;
      kept[index] = other;
      free.delete(other);
      return;
    }
  });
  return kept;
}
