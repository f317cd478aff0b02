/**
 * Certificate table: which certificates are served for a name.
 *
 * C1  an update costs what it changes: adding or removing touches the names of that certificate.
 * C2  the certificates of one choice are alike: all valid now or, when there is none, none, and
 *     all of the lowest rank. A client never gets an expired or lesser one because of its key type.
 * C3  no other order of updates gives another choice, but for the default of last resort.
 */

import type { CertificateEntry, CertificateUpdate, KeyType } from '../../contract/tls.ts';
import { HostMap } from './host-map.ts';

/** One per key type at most; never empty. */
export type Choice = readonly CertificateEntry[];

const KEY_TYPES: readonly KeyType[] = ['ecdsa', 'rsa', 'ed25519'];

export class CertificateTable {
  readonly #byId = new Map<string, CertificateEntry>();
  readonly #byName = new HostMap<CertificateEntry[]>();
  #addressNames = 0;
  /** A name of the default of last resort; null when it has to be looked for. */
  #fallbackName: string | null = null;
  #fallbackRank = 0;

  get size(): number {
    return this.#byId.size;
  }

  /** True when some certificate is for an IP address. */
  get hasAddresses(): boolean {
    return this.#addressNames > 0;
  }

  /** Applies `update`. An id that is there already is replaced: its staple may be new. */
  update({ add, remove }: CertificateUpdate): void {
    for (const id of remove) this.#remove(id);
    for (const entry of add) {
      this.#remove(entry.id);
      this.#add(entry);
    }
  }

  /**
   * What is served for `name`: exact, else by wildcard; a valid wildcard before an expired exact.
   * @param name lower case, A-labels; or an IP address in canonical text
   * @returns null when there is none
   */
  choose(name: string, wallMs: number): Choice | null {
    const exact = bestOf(this.#byName.at(name), wallMs);
    if (exact !== null && isValid(exact[0]!, wallMs)) return exact;
    const wildcard = bestOf(this.#byName.wildcardOf(name), wallMs);
    if (exact === null) return wildcard;
    return wildcard !== null && isValid(wildcard[0]!, wallMs) ? wildcard : exact;
  }

  has(name: string): boolean {
    return this.#byName.find(name) !== null;
  }

  /**
   * What is served to who says no name, or an unknown one.
   * @param id fingerprint of the configured default; empty, or not here: the first one of the
   *        lowest rank
   */
  chooseDefault(id: string, wallMs: number): Choice | null {
    const configured = this.#byId.get(id);
    if (configured !== undefined) {
      const first = configured.names[0];
      const siblings = first === undefined ? null : bestOf(this.#byName.at(first), wallMs);
      return siblings?.includes(configured) === true ? siblings : [configured];
    }
    const known = this.#fallbackName === null ? null : this.#byName.at(this.#fallbackName);
    return bestOf(known ?? this.#findFallback(), wallMs);
  }

  #add(entry: CertificateEntry): void {
    this.#byId.set(entry.id, entry);
    for (const name of new Set(entry.names)) {
      const others = this.#byName.at(name);
      if (others === null) this.#byName.set(name, [entry]);
      else others.push(entry);
      if (isAddressName(name)) this.#addressNames++;
    }
    if (this.#fallbackName !== null && entry.rank < this.#fallbackRank) this.#fallbackName = null;
  }

  #remove(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byId.delete(id);
    for (const name of new Set(entry.names)) {
      const left = this.#byName.at(name)!.filter((other) => other !== entry);
      if (left.length === 0) this.#byName.delete(name);
      else this.#byName.set(name, left);
      if (isAddressName(name)) this.#addressNames--;
    }
  }

  #findFallback(): CertificateEntry[] | null {
    let lowest: CertificateEntry | null = null;
    for (const entry of this.#byId.values()) {
      if (lowest === null || entry.rank < lowest.rank) lowest = entry;
    }
    const name = lowest?.names[0];
    if (lowest === null || name === undefined) return lowest === null ? null : [lowest];
    this.#fallbackName = name;
    this.#fallbackRank = lowest.rank;
    return this.#byName.at(name);
  }
}

/** The best per key type among those of the best kind: C2. */
function bestOf(entries: readonly CertificateEntry[] | null, wallMs: number): Choice | null {
  if (entries === null || entries.length === 0) return null;
  let best = entries[0]!;
  for (const entry of entries) if (isBetter(entry, best, wallMs)) best = entry;
  const choice: CertificateEntry[] = [];
  for (const keyType of KEY_TYPES) {
    let chosen: CertificateEntry | null = null;
    for (const entry of entries) {
      const isAlike = entry.rank === best.rank && isValid(entry, wallMs) === isValid(best, wallMs);
      if (entry.keyType !== keyType || !isAlike) continue;
      if (chosen === null || isBetter(entry, chosen, wallMs)) chosen = entry;
    }
    if (chosen !== null) choice.push(chosen);
  }
  return choice;
}

/** Valid now, then of lower rank, then for longer; the id makes it one order for everybody. */
function isBetter(a: CertificateEntry, b: CertificateEntry, wallMs: number): boolean {
  const isValidA = isValid(a, wallMs);
  if (isValidA !== isValid(b, wallMs)) return isValidA;
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.notAfterMs !== b.notAfterMs) return a.notAfterMs > b.notAfterMs;
  return a.id < b.id;
}

function isValid(entry: CertificateEntry, wallMs: number): boolean {
  return entry.notBeforeMs <= wallMs && wallMs < entry.notAfterMs;
}

/** Host names end in a label with a letter, as far as certificates for them exist. */
function isAddressName(name: string): boolean {
  return name.includes(':') || /^[0-9.]+$/.test(name);
}
