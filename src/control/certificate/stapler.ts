/**
 * Stapler: has a recent word of the authority for every certificate that names an OCSP responder,
 * and gives it to the workers with the certificate.
 *
 * P1  only an answer that says `good`, is signed by who may, and is not out of date is stapled.
 * P2  a certificate is served without a staple rather than not at all: responders that fail are
 *     asked again, less and less often, and nobody is troubled.
 * P3  an answer is fetched again when half of its time is over, and kept in the store, so that a
 *     start asks nobody.
 * P4  at most `FETCHES_MAX` responders are asked at a time; reading certificates never holds up a
 *     start.
 */

import type { CertificateEntry, CertificateUpdate } from '../../contract/tls.ts';
import { readCertificate } from '../x509/certificate-reader.ts';
import type { CertificateFacts } from '../x509/certificate-reader.ts';
import { createOcspRequest, judgeOcspResponse, ocspNextUpdate } from '../x509/ocsp.ts';
import { certificatesOf, readPem, writePem } from '../x509/pem.ts';
import type { CertificateStore } from './certificate-store.ts';
import { entryText } from './entry-batch.ts';

const FETCHES_MAX = 4;
/** Certificates read before others get a turn. */
const READ_BATCH = 100;
const FIRST_DELAY_MS = 1_000;
const LOOK_INTERVAL_MS = 60_000;
const RETRY_MIN_MS = 300_000;
const RETRY_MAX_MS = 6 * 3_600_000;
/** Of half the time of an answer, so that those of one hour are not fetched in one second. */
const JITTER = 0.1;
/** An answer is not given to clients in its last minutes: their clocks differ. */
const MARGIN_MS = 600_000;

export interface StaplerOptions {
  readonly store: Pick<CertificateStore, 'read' | 'write' | 'remove'>;
  /** To every worker. */
  readonly publish: (update: CertificateUpdate) => void;
  /** @throws any error */
  readonly fetch: (url: string, question: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  /** Its authority has revoked the certificate of that id; said once. */
  readonly onRevoked: (id: string) => void;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: (delayMs: number, callback: () => void) => () => void;
}

interface Stapled {
  readonly entry: CertificateEntry;
  readonly leaf: CertificateFacts;
  readonly issuer: CertificateFacts;
  /** Null: it is served without. */
  staple: Uint8Array | null;
  /** Unix milliseconds until which the staple is given to clients. */
  untilMs: number;
  nextFetchMs: number;
  failures: number;
  isBusy: boolean;
  isRevoked: boolean;
}

export class Stapler {
  readonly #options: StaplerOptions;
  /** Entries that nobody has looked at yet, by id. */
  readonly #unread = new Map<string, CertificateEntry>();
  readonly #known = new Map<string, Stapled>();
  readonly #abort = new AbortController();
  #cancel: (() => void) | null = null;
  #isLooking = false;
  #busy = 0;

  constructor(options: StaplerOptions) {
    this.#options = options;
  }

  /** Passes a change on to the workers, with the staples there are. */
  take({ add, remove }: CertificateUpdate): void {
    const kept = new Map(remove.map((id) => [id, this.#known.get(id)]));
    for (const id of remove) {
      this.#unread.delete(id);
      this.#known.delete(id);
    }
    for (const entry of add) {
      const before = kept.get(entry.id) ?? this.#known.get(entry.id);
      if (before === undefined) this.#unread.set(entry.id, entry);
      else this.#known.set(entry.id, { ...before, entry, isBusy: false });
    }
    this.#options.publish({ add: this.stapled(add), remove });
    for (const [id, before] of kept) {
      if (before !== undefined && !this.#known.has(id)) this.#forget(id);
    }
    if (this.#unread.size > 0) this.#wake(FIRST_DELAY_MS);
  }

  /** The same entries with the staples there are. */
  stapled(entries: readonly CertificateEntry[]): readonly CertificateEntry[] {
    if (this.#known.size === 0) return entries;
    return entries.map((entry) => {
      const staple = this.#known.get(entry.id)?.staple ?? null;
      return staple === null ? entry : { ...entry, ocsp: staple };
    });
  }

  close(): void {
    this.#abort.abort();
    this.#cancel?.();
    this.#cancel = null;
  }

  #wake(delayMs: number): void {
    if (this.#cancel !== null || this.#abort.signal.aborted) return;
    this.#cancel = this.#options.setTimer(delayMs, () => {
      this.#cancel = null;
      void this.#look();
    });
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    await this.#read();
    this.#isLooking = false;
    const nowMs = this.#options.wallMs();
    for (const stapled of this.#known.values()) {
      if (stapled.staple !== null && stapled.untilMs <= nowMs) this.#give(stapled, null, 0);
    }
    this.#fetchDue();
    if (this.#known.size > 0) this.#wake(LOOK_INTERVAL_MS);
  }

  /** P4. What has no responder is forgotten at once. */
  async #read(): Promise<void> {
    let count = 0;
    for (const [id, entry] of this.#unread) {
      this.#unread.delete(id);
      const stapled = stapledOf(entry);
      if (stapled !== null) await this.#open(stapled);
      if (++count % READ_BATCH === 0) await new Promise((resolve) => setImmediate(resolve));
      if (this.#abort.signal.aborted) return;
    }
  }

  /** P3: takes what the store has. */
  async #open(stapled: Stapled): Promise<void> {
    const { id } = stapled.entry;
    this.#known.set(id, stapled);
    stapled.isBusy = true;
    const text = await this.#options.store.read(storeKey(id)).catch(() => null);
    stapled.isBusy = false;
    if (this.#known.get(id) !== stapled) return; // Removed meanwhile.
    const response = text === null ? null : (readPem(text)[0]?.der ?? null);
    if (response !== null) this.#judge(stapled, response);
  }

  #fetchDue(): void {
    const nowMs = this.#options.wallMs();
    for (const stapled of this.#known.values()) {
      if (this.#busy >= FETCHES_MAX) return;
      if (stapled.isBusy || stapled.isRevoked || stapled.nextFetchMs > nowMs) continue;
      stapled.isBusy = true;
      this.#busy++;
      void this.#fetch(stapled).finally(() => {
        stapled.isBusy = false;
        this.#busy--;
        if (!this.#abort.signal.aborted) this.#fetchDue();
      });
    }
  }

  /** Never rejects. */
  async #fetch(stapled: Stapled): Promise<void> {
    const { fetch, store, wallMs } = this.#options;
    const { leaf, issuer, entry } = stapled;
    let response: Uint8Array | null = null;
    try {
      const question = createOcspRequest(leaf, issuer);
      response = await fetch(leaf.ocspUrl, question, this.#abort.signal);
    } catch {
      // P2.
    }
    // It may have been replaced meanwhile.
    if (this.#known.get(entry.id) !== stapled) return;
    if (response !== null && this.#judge(stapled, response)) {
      await store.write(storeKey(entry.id), writePem('OCSP RESPONSE', response)).catch(() => {});
      return;
    }
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(stapled.failures++, 10));
    stapled.nextFetchMs = wallMs() + wait;
  }

  #forget(id: string): void {
    this.#options.store.remove(storeKey(id)).catch(() => {}); // It is small, and out of date soon.
  }

  /** P1. @returns false: it is good for nothing */
  #judge(stapled: Stapled, response: Uint8Array): boolean {
    const { wallMs, random, onRevoked } = this.#options;
    const { leaf, issuer, entry } = stapled;
    const verdict = judgeOcspResponse(response, leaf, issuer, wallMs());
    if (!verdict.ok || verdict.status === 'unknown') return false;
    const { status, thisUpdateMs, nextUpdateMs } = verdict;
    if (status === 'revoked') {
      stapled.isRevoked = true;
      this.#give(stapled, null, 0);
      onRevoked(entry.id);
      return true;
    }
    const half = (nextUpdateMs - thisUpdateMs) / 2;
    stapled.failures = 0;
    stapled.nextFetchMs = thisUpdateMs + half * (1 + JITTER * random());
    // An answer past its half when it comes: the responder has no newer one yet.
    const soonest = wallMs() + Math.min(RETRY_MIN_MS, half / 10);
    if (stapled.nextFetchMs < soonest) stapled.nextFetchMs = soonest;
    const untilMs = nextUpdateMs - Math.min(MARGIN_MS, half / 10);
    if (untilMs > wallMs()) this.#give(stapled, response, untilMs);
    return true;
  }

  /** Serves the certificate with `staple` from now on. */
  #give(stapled: Stapled, staple: Uint8Array | null, untilMs: number): void {
    stapled.untilMs = untilMs;
    if (stapled.staple === staple) return;
    stapled.staple = staple;
    const { entry } = stapled;
    this.#options.publish({ remove: [entry.id], add: [{ ...entry, ocsp: staple }] });
  }
}

/** Whether a stored answer is out of date, or none. @param nowMs Unix milliseconds */
export function isStapleOver(text: string, nowMs: number): boolean {
  const response = readPem(text)[0]?.der ?? null;
  return response === null || ocspNextUpdate(response) <= nowMs;
}

/** Null: it names no responder, or its issuer is not in its chain. */
function stapledOf(entry: CertificateEntry): Stapled | null {
  const [leafDer, issuerDer] = certificatesOf(entryText(entry.chain));
  const leaf = leafDer === undefined ? null : readCertificate(leafDer);
  if (leaf === null || leaf.ocspUrl === '' || issuerDer === undefined) return null;
  const issuer = readCertificate(issuerDer);
  if (issuer === null) return null;
  return {
    entry,
    leaf,
    issuer,
    staple: null,
    untilMs: 0,
    nextFetchMs: 0,
    failures: 0,
    isBusy: false,
    isRevoked: false,
  };
}

function storeKey(id: string): string {
  return `ocsp/${id}.pem`;
}
