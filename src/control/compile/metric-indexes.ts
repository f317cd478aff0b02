/**
 * Gives every named thing the same metric block in every generation.
 *
 * I1  a (family, name) keeps its index while it is configured, and afterwards for as long as there
 *     are unused ones, so a counter goes back on no reload and a name that returns finds its own.
 * I2  only when all indexes of a family are taken does a new name get one of a name that is gone,
 *     that of the longest gone. Workers are told to set the counters of the block to zero.
 * I3  past METRIC_INDEX_MAX names that are there at once, all further ones share the last block,
 *     and `overflowCount` says how many they are.
 */

import type { MetricBlock, BlockFamily } from '../../contract/metric-layout.ts';
import { METRIC_INDEX_MAX } from '../../contract/metric-layout.ts';

/** The last index is kept for those that share it. */
const OWN_INDEX_COUNT = METRIC_INDEX_MAX - 1;

/** Index of each name; those that are gone, the longest gone first. */
interface Family {
  readonly indexes: Map<string, number>;
  readonly gone: Map<string, number>;
}

export class MetricIndexes {
  readonly #families: Readonly<Record<BlockFamily, Family>> = {
    listener: { indexes: new Map(), gone: new Map() },
    route: { indexes: new Map(), gone: new Map() },
    service: { indexes: new Map(), gone: new Map() },
    endpoint: { indexes: new Map(), gone: new Map() },
  };
  readonly #overflow = new Set<string>();
  #recycled: MetricBlock[] = [];

  /** Names, of all families, that share the last block of their family; at most as many as fit. */
  get overflowCount(): number {
    return this.#overflow.size;
  }

  /** @returns an index below METRIC_INDEX_MAX, the same for one family and name until released. */
  indexOf(family: BlockFamily, name: string): number {
    const { indexes, gone } = this.#families[family];
    const known = indexes.get(name);
    if (known !== undefined) return known;
    const index = gone.get(name) ?? this.#freeIndex(family);
    if (index < 0) {
      if (this.#overflow.size < METRIC_INDEX_MAX) this.#overflow.add(overflowId(family, name));
      return METRIC_INDEX_MAX - 1;
    }
    gone.delete(name);
    indexes.set(name, index);
    return index;
  }

  /** Says that a name is configured no more. */
  release(family: BlockFamily, name: string): void {
    const { indexes, gone } = this.#families[family];
    this.#overflow.delete(overflowId(family, name));
    const index = indexes.get(name);
    if (index === undefined) return;
    indexes.delete(name);
    gone.set(name, index);
  }

  /** Blocks that were given to a second name since the last call. */
  takeRecycled(): readonly MetricBlock[] {
    const recycled = this.#recycled;
    if (recycled.length > 0) this.#recycled = [];
    return recycled;
  }

  /** @returns -1 when every index is in use. */
  #freeIndex(family: BlockFamily): number {
    const { indexes, gone } = this.#families[family];
    const used = indexes.size + gone.size;
    if (used < OWN_INDEX_COUNT) return used; // None was ever given back: they are consecutive.
    for (const [name, index] of gone) {
      gone.delete(name);
      this.#recycled.push({ family, index });
      return index;
    }
    return -1;
  }
}

function overflowId(family: BlockFamily, name: string): string {
  return `${family} ${name}`;
}
