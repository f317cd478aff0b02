/**
 * Routes and their router over generations: what changed is taken out of the tables and put in
 * again, everything else stays as it was written.
 *
 * A whole new router is built when the order of declaration changed, when much is different, when
 * ranks have no gap left, and when the tables are mostly waste.
 */

import { isSame } from '../../base/is-same.ts';
import type { RouterTables } from '../../contract/router-tables.ts';
import type { RouteSpec } from '../../contract/snapshot.ts';
import type { RouteConfig } from '../config/config.ts';
import { compareRoutes } from '../config/specificity.ts';
import { rankBetween, spreadRanks } from './route-ranks.ts';
import { RouterBuilder } from './router.ts';
import type { Placed, SlotChanges, SlotTableOptions } from './slot-table.ts';
import { SlotTable } from './slot-table.ts';

/** Changed routes past which a new router is cheaper: each new rank is a look at all routes. */
const CHANGED_MAX = 64;
/** The same, as a part of all routes. */
const CHANGED_SHARE_MAX = 1 / 16;

export class RouteTable {
  readonly #slots: SlotTable<RouteConfig, RouteSpec>;
  #builder = new RouterBuilder();
  #router: RouterTables;
  /** By slot; -1 for none. */
  #ranks: number[] = [];

  constructor(options: SlotTableOptions<RouteConfig, RouteSpec>) {
    this.#slots = new SlotTable(options);
    this.#router = this.#builder.build();
  }

  get specs(): readonly RouteSpec[] {
    return this.#slots.specs;
  }

  /** The same object while nothing about routing changes. */
  get router(): RouterTables {
    return this.#router;
  }

  /** As in SlotTable. */
  update(routes: readonly RouteConfig[], isStale: ((route: RouteConfig) => boolean) | null): void {
    const before = this.#slots.specs;
    const changes = this.#slots.update(routes, isStale);
    const rerouted = changes.placed.filter((placed) => this.#needsRouting(placed, before));
    const count = rerouted.length + changes.removed.length;
    if (count === 0 && !changes.isReordered) return;
    const isLarge = count > Math.min(CHANGED_MAX, routes.length * CHANGED_SHARE_MAX + 1);
    const isPatched =
      !isLarge &&
      !changes.isReordered &&
      !this.#builder.isWasteful &&
      this.#patch(routes, rerouted, changes.removed);
    if (!isPatched) this.#rebuild(routes);
    this.#router = this.#builder.build();
  }

  /** Whether the tables say something else of a route than before. */
  #needsRouting(placed: Placed<RouteConfig>, before: readonly RouteSpec[]): boolean {
    const { node, slot, oldNode, oldSlot } = placed;
    if (oldNode === null || slot !== oldSlot) return true;
    const old = before[oldSlot]!;
    const spec = this.#slots.specs[slot]!;
    return (
      compareRoutes(oldNode, node) !== 0 ||
      !isSame(old.rule, spec.rule) ||
      !isSame(old.listeners, spec.listeners)
    );
  }

  /** @returns false when a rank could not be found; the builder is then of no more use. */
  #patch(
    routes: readonly RouteConfig[],
    rerouted: readonly Placed<RouteConfig>[],
    removed: SlotChanges<RouteConfig>['removed'],
  ): boolean {
    const ranks = this.#ranks;
    const kept = new Map<string, number>();
    for (const { node, oldNode, oldSlot } of rerouted) {
      if (oldNode === null) continue;
      if (compareRoutes(oldNode, node) === 0) kept.set(node.name, ranks[oldSlot]!);
      this.#builder.remove(oldSlot);
      ranks[oldSlot] = -1;
    }
    for (const { slot } of removed) {
      this.#builder.remove(slot);
      ranks[slot] = -1;
    }
    for (const { node, slot } of rerouted) ranks[slot] = kept.get(node.name) ?? -1;
    const rankOf = (index: number): number => ranks[this.#slots.slotAt(index)] ?? -1;
    for (const { node, slot } of rerouted) {
      let rank = ranks[slot]!;
      if (rank < 0) rank = rankBetween(routes, routes.indexOf(node), rankOf);
      if (rank < 0) return false;
      ranks[slot] = rank;
      this.#builder.add(slot, rank, this.#slots.specs[slot]!);
    }
    ranks.length = routes.length;
    return true;
  }

  #rebuild(routes: readonly RouteConfig[]): void {
    this.#builder = new RouterBuilder();
    this.#ranks = routes.map(() => -1);
    const ranks = spreadRanks(routes);
    for (const [index, rank] of ranks.entries()) this.#ranks[this.#slots.slotAt(index)] = rank;
    // In order of slots, whatever was declared first.
    for (const [slot, spec] of this.#slots.specs.entries()) {
      this.#builder.add(slot, this.#ranks[slot]!, spec);
    }
  }
}
