/**
 * Stand-ins: certificates that are served for names whose own certificate is not there yet, because
 * they were put together with other names, or a wildcard takes over from them, or gives back.
 *
 * I1  a name that had a valid certificate goes on being served while the next one is got, however
 *     long that takes, also after a restart.
 * I2  a stand-in is valid, and goes as soon as nobody needs it.
 */

import type { CertificateEntry } from '../../contract/tls.ts';
import { isWildcardName, wideOf } from '../config/certificate-name.ts';
import type { CertificateClock } from './certificate-clock.ts';
import type { ManagedCertificate } from './managed-certificate.ts';
import type { RecordSet } from './record-set.ts';

/** Their owner in the inventory. */
const OWNER = 'stand-ins';

type Change = readonly [owner: string, entries: readonly CertificateEntry[]];

export class StandIns {
  readonly #records: RecordSet;
  readonly #clock: CertificateClock;
  #entries: readonly CertificateEntry[] = [];

  constructor(records: RecordSet, clock: CertificateClock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** Chooses anew: what is wanted has changed. @returns a change for the inventory */
  choose(): Change {
    const missing = [...this.#records.all].filter((record) => this.#isMissing(record));
    const chosen = new Set<CertificateEntry>();
    if (missing.length > 0) {
      const candidates = this.#candidates();
      for (const { names } of missing) {
        for (const name of names) for (const one of candidates.for(name)) chosen.add(one);
      }
    }
    this.#entries = [...chosen];
    return [OWNER, this.#entries];
  }

  /** After a certificate came, or time went by. @returns a change, if there can be one */
  chooseAgain(): readonly Change[] {
    return this.#entries.length === 0 ? [] : [this.choose()];
  }

  #isMissing({ stored }: ManagedCertificate): boolean {
    return stored === null || stored.entry.notAfterMs <= this.#clock.timeMs();
  }

  /** All that the store has and that is valid. */
  #candidates(): Candidates {
    const timeMs = this.#clock.timeMs();
    const candidates = new Candidates();
    for (const { entry } of this.#records.loaded) {
      if (entry.notAfterMs > timeMs) candidates.add(entry);
    }
    return candidates;
  }
}

/** Certificates by name; of two for one name the one that ends later. */
class Candidates {
  readonly #byName = new Map<string, CertificateEntry>();
  /** Names by the wildcard that is for them. */
  readonly #below = new Map<string, Set<string>>();

  add(entry: CertificateEntry): void {
    for (const name of entry.names) {
      const known = this.#byName.get(name);
      if (known !== undefined && known.notAfterMs >= entry.notAfterMs) continue;
      this.#byName.set(name, entry);
      const wide = wideOf(name);
      const below = this.#below.get(wide);
      if (wide === '') continue;
      if (below === undefined) this.#below.set(wide, new Set([name]));
      else below.add(name);
    }
  }

  for(name: string): readonly CertificateEntry[] {
    const own = this.#byName.get(name);
    if (own !== undefined) return [own];
    if (isWildcardName(name)) {
      return [...(this.#below.get(name) ?? [])].map((below) => this.#byName.get(below)!);
    }
    const wide = this.#byName.get(wideOf(name));
    return wide === undefined ? [] : [wide];
  }
}
