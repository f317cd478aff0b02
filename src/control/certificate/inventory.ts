/**
 * Inventory: the certificates that are served, from wherever they come.
 *
 * V1  workers hear of each change once, and what they have together is `entries`.
 * V2  one certificate that two owners have is served once, for as long as one of them has it, with
 *     the lower rank.
 */

import type { CertificateEntry, CertificateUpdate } from '../../contract/tls.ts';

export class Inventory {
  readonly #publish: (update: CertificateUpdate) => void;
  readonly #byOwner = new Map<string, readonly CertificateEntry[]>();
  #served = new Map<string, CertificateEntry>();

  constructor(publish: (update: CertificateUpdate) => void) {
    this.#publish = publish;
  }

  get entries(): readonly CertificateEntry[] {
    return [...this.#served.values()];
  }

  /** What each of these owners has from now on; an empty list for one that has nothing. */
  set(changes: ReadonlyMap<string, readonly CertificateEntry[]>): void {
    const ids = new Set<string>();
    for (const [owner, entries] of changes) {
      for (const { id } of this.#byOwner.get(owner) ?? []) ids.add(id);
      for (const { id } of entries) ids.add(id);
      if (entries.length === 0) this.#byOwner.delete(owner);
      else this.#byOwner.set(owner, entries);
    }
    const best = this.#bestOf(ids);
    const add: CertificateEntry[] = [];
    const remove: string[] = [];
    for (const id of ids) {
      const before = this.#served.get(id);
      const after = best.get(id);
      if (before === after) continue;
      if (before !== undefined) remove.push(id);
      if (after === undefined) this.#served.delete(id);
      else {
        add.push(after);
        this.#served.set(id, after);
      }
    }
    if (add.length + remove.length > 0) this.#publish({ add, remove });
  }

  /** V2. */
  #bestOf(ids: ReadonlySet<string>): Map<string, CertificateEntry> {
    const best = new Map<string, CertificateEntry>();
    for (const entries of this.#byOwner.values()) {
      for (const entry of entries) {
        if (!ids.has(entry.id)) continue;
        const known = best.get(entry.id);
        if (known === undefined || entry.rank < known.rank) best.set(entry.id, entry);
      }
    }
    return best;
  }
}
