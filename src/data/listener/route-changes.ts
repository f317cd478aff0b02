/**
 * Route changes: ends tunnels and responses in progress of routes that a publish changed, when the
 * route's policy says so (`RouteSpec.streamsOnChangeMs`).
 *
 * R1  only exchanges that an earlier generation than the change has routed are ended.
 * R2  connections are walked only when a changed route has another policy than to keep.
 * R3  an exchange that waits for its response head is not ended, for it may be short. It is looked
 *     at again every `RECHECK_MS`, until it is over or has become a stream.
 * R4  at most `PENDING_MAX` changes wait for their time; past it a change joins the latest one, and
 *     the streams of both end when the later of the two is due.
 */

import { WorkerCell } from '../../contract/metric-layout.ts';
import type { Snapshot } from '../../contract/snapshot.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Plane } from '../exchange/plane.ts';
import type { Timer } from '../io/backend.ts';

export const PENDING_MAX = 256;
const RECHECK_MS = 1_000;

interface Change {
  dueMs: number;
  /** The first generation with the change. */
  generation: number;
  readonly routes: Set<string>;
}

export class RouteChanges {
  private readonly plane: Plane;
  private readonly visitExchanges: (visit: (exchange: Exchange) => void) => void;
  private pending: Change[] = [];
  private readonly timer: Timer;

  /** @param visitExchanges calls back with every exchange in progress, which may be ended */
  constructor(plane: Plane, visitExchanges: (visit: (exchange: Exchange) => void) => void) {
    this.plane = plane;
    this.visitExchanges = visitExchanges;
    this.timer = plane.backend.timer(() => this.endDue());
  }

  /** Changes whose streams may still have to be ended. */
  get pendingCount(): number {
    return this.pending.length;
  }

  /**
   * Follows the policies of routes that differ between two generations. A route that is gone has
   * the policy it had last.
   */
  add(previous: Snapshot, snapshot: Snapshot, changedRoutes: readonly string[]): void {
    if (changedRoutes.length === 0) return;
    const nowMs = this.plane.backend.nowMs();
    for (const [delayMs, routes] of byDelay(previous, snapshot, new Set(changedRoutes))) {
      if (delayMs >= 0) this.remember(nowMs + delayMs, snapshot.generation, routes);
    }
    if (this.pending.length > 0) this.endDue();
  }

  private remember(dueMs: number, generation: number, routes: Set<string>): void {
    const last = this.pending[this.pending.length - 1];
    if (last === undefined || this.pending.length < PENDING_MAX) {
      this.pending.push({ dueMs, generation, routes });
      return;
    }
    last.dueMs = Math.max(last.dueMs, dueMs);
    last.generation = generation;
    for (const route of routes) last.routes.add(route);
  }

  /** Ends what is due, and sets the timer for the rest. */
  private endDue(): void {
    const nowMs = this.plane.backend.nowMs();
    for (const change of this.pending) {
      if (change.dueMs > nowMs) continue;
      change.dueMs = this.endStreams(change) ? nowMs + RECHECK_MS : -1;
    }
    this.pending = this.pending.filter((change) => change.dueMs >= 0);
    const nextMs = this.pending.reduce((next, { dueMs }) => Math.min(next, dueMs), Infinity);
    if (nextMs < Infinity) this.timer.set(nextMs - nowMs);
  }

  /** @returns true when an exchange has yet to become a stream, or to end */
  private endStreams({ generation, routes }: Change): boolean {
    const { cells } = this.plane;
    let hasWaiting = false;
    this.visitExchanges((exchange) => {
      const { linked, route } = exchange;
      if (route === null || linked!.generation >= generation || !routes.has(route.name)) return;
      if (exchange.endStream()) cells[WorkerCell.streamsClosed]!++;
      else hasWaiting = true;
    });
    return hasWaiting;
  }
}

/** Names of changed routes by what happens to their streams: milliseconds, or -1 to keep them. */
function byDelay(
  previous: Snapshot,
  snapshot: Snapshot,
  changed: Set<string>,
): Map<number, Set<string>> {
  const groups = new Map<number, Set<string>>();
  const all = [snapshot.routes, snapshot.tls.passthroughs];
  for (const routes of [...all, previous.routes, previous.tls.passthroughs]) {
    for (const { name, streamsOnChangeMs } of routes) {
      if (!changed.delete(name)) continue;
      const group = groups.get(streamsOnChangeMs);
      if (group === undefined) groups.set(streamsOnChangeMs, new Set([name]));
      else group.add(name);
    }
  }
  return groups;
}
