/**
 * Gives every named thing the same metric block in every generation.
 *
 * I1  a (family, name) keeps its index for the life of the process, so a counter never changes
 *     its meaning and never goes back on a reload.
 * I2  an index is never given to a second name. Past METRIC_INDEX_MAX names of a family, all
 *     further ones share the last block, and `overflowCount` says how many they are.
 */

import { METRIC_INDEX_MAX } from '../../contract/metric-layout.ts';

export type MetricIndexFamily = 'listener' | 'route' | 'service' | 'endpoint';

export class MetricIndexes {
  readonly #families: Readonly<Record<MetricIndexFamily, Map<string, number>>> = {
    listener: new Map(),
    route: new Map(),
    service: new Map(),
    endpoint: new Map(),
  };
  readonly #overflow = new Set<string>();

  /** Names, of all families, that share the last block of their family; at most as many as fit. */
  get overflowCount(): number {
    return this.#overflow.size;
  }

  /** @returns an index below METRIC_INDEX_MAX, always the same for one family and name. */
  indexOf(family: MetricIndexFamily, name: string): number {
    const indexes = this.#families[family];
    const known = indexes.get(name);
    if (known !== undefined) return known;
    if (indexes.size < METRIC_INDEX_MAX - 1) {
      const index = indexes.size;
      indexes.set(name, index);
      return index;
    }
    if (this.#overflow.size < METRIC_INDEX_MAX) this.#overflow.add(`${family} ${name}`);
    return METRIC_INDEX_MAX - 1;
  }
}
