/**
 * File certificates: those that the configuration brings with their keys, as entries to serve and
 * as rows to show. They come before all others for the same name.
 */

import type { CertificateEntry } from '../../contract/tls.ts';
import type { CertificateConfig, CertificatePair } from '../config/config.ts';
import type { CertificateRow } from './certificate-row.ts';
import { packEntries } from './entry-batch.ts';

const RANK_FILE = 0;

interface Known {
  readonly pair: CertificatePair;
  readonly entry: CertificateEntry;
}

export class FileCertificates {
  #nodes: readonly CertificateConfig[] = [];
  /** By id: the same leaf with another chain is another entry. */
  #known = new Map<string, Known>();

  /** @returns the entries of `nodes`; one that stays the same is the same object as before */
  configure(nodes: readonly CertificateConfig[]): readonly CertificateEntry[] {
    const before = this.#known;
    const pairs = new Map<string, CertificatePair>();
    for (const node of nodes) for (const pair of node.pairs) pairs.set(pair.id, pair);
    const changed = [...pairs.values()].filter((pair) => !isSame(before.get(pair.id)?.pair, pair));
    const entries = packEntries(changed.map((pair) => ({ ...pair, rank: RANK_FILE })));
    const fresh = new Map(entries.map((entry) => [entry.id, entry]));
    this.#known = new Map();
    for (const [id, pair] of pairs) {
      this.#known.set(id, { pair, entry: fresh.get(id) ?? before.get(id)!.entry });
    }
    this.#nodes = nodes;
    return [...this.#known.values()].map(({ entry }) => entry);
  }

  /** @param timeMs Unix milliseconds */
  rows(timeMs: number): CertificateRow[] {
    return this.#nodes.flatMap((node) =>
      node.pairs.map((pair) => ({
        name: node.pairs.length === 1 ? node.name : `${node.name}/${pair.names[0] ?? pair.id}`,
        names: pair.names,
        source: 'file' as const,
        issuer: '',
        state: timeMs >= pair.notAfterMs ? ('expired' as const) : ('valid' as const),
        id: pair.id,
        notBeforeMs: pair.notBeforeMs,
        notAfterMs: pair.notAfterMs,
        renewal: null,
        nextAttemptMs: 0,
        step: '',
        problem: null,
      })),
    );
  }

  has(name: string): boolean {
    return this.#nodes.some(({ pairs }) => pairs.some(({ names }) => names.includes(name)));
  }
}

function isSame(before: CertificatePair | undefined, pair: CertificatePair): boolean {
  return before?.chain === pair.chain && before.key === pair.key;
}
