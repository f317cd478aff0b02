/**
 * Worker TLS: what one worker knows about TLS besides the snapshot (certificates, challenges,
 * ticket secrets, names that are waited for), and what acceptances of all its listeners share.
 *
 * Everything here changes by messages of control, between callbacks: what an acceptance reads in
 * one callback is of one moment.
 */

import { HISTOGRAM_SUM, histogramBucket } from '../../contract/histogram.ts';
import { WorkerCell } from '../../contract/metric-layout.ts';
import type {
  CertificateUpdate,
  ChallengeSpec,
  TicketSecrets,
  TlsState,
} from '../../contract/tls.ts';
import type { IoBackend, TlsContext } from '../io/backend.ts';
import type { Choice } from './certificate-table.ts';
import { CertificateTable } from './certificate-table.ts';
import { Challenges } from './challenges.ts';
import { ClientHello } from './client-hello.ts';
import { ContextCache } from './context-cache.ts';
import { HandshakeLimiter, handshakeShareOf } from './handshake-limiter.ts';
import type { LinkedPolicy } from './linked-tls.ts';
import { WaitingNames } from './waiting-names.ts';

export interface WorkerTlsOptions {
  readonly backend: IoBackend;
  readonly cells: Float64Array;
  /** Workers that share the limits of the process. */
  readonly workerCount: number;
  readonly state: TlsState;
  /** A sentence for the log, at level error: a context cannot be built. */
  readonly report: (message: string) => void;
  /** Asks control for a certificate; `settleCertificate` answers. */
  readonly wantCertificate: (name: string, peerAddress: string) => void;
  /** Something threw where nothing may. */
  readonly reportInternal: (error: unknown) => void;
}

export class WorkerTls {
  readonly backend: IoBackend;
  readonly cells: Float64Array;
  readonly challenges: Challenges;
  readonly waiting: WaitingNames;
  readonly reportInternal: (error: unknown) => void;
  /** Reused by every acceptance, within one callback. */
  readonly hello: ClientHello = new ClientHello();
  readonly #table = new CertificateTable();
  readonly #contexts: ContextCache;
  readonly #limiter: HandshakeLimiter;
  readonly #workerCount: number;

  constructor(options: WorkerTlsOptions) {
    const { backend, cells, state, report } = options;
    this.backend = backend;
    this.cells = cells;
    this.reportInternal = options.reportInternal;
    this.#workerCount = options.workerCount;
    this.challenges = new Challenges(backend, report);
    this.waiting = new WaitingNames(backend, options.wantCertificate);
    this.#contexts = new ContextCache(backend, cells, state.ticketSecrets, report);
    this.#limiter = new HandshakeLimiter(backend.random() * 4_294_967_296);
    this.updateCertificates({ add: state.certificates, remove: [] });
    this.challenges.set(state.challenges);
  }

  /** Contexts of certificates that are gone or have come anew are forgotten; sessions stay. */
  updateCertificates(update: CertificateUpdate): void {
    this.#table.update(update);
    const changed = new Set(update.remove);
    for (const entry of update.add) changed.add(entry.id);
    this.#contexts.forget(changed);
    this.cells[WorkerCell.certificates] = this.#table.size;
  }

  /** @param challenges all that are open now */
  setChallenges(challenges: readonly ChallengeSpec[]): void {
    this.challenges.set(challenges);
  }

  setTicketSecrets(secrets: TicketSecrets): void {
    this.#contexts.setSecrets(secrets);
  }

  /** Control has done what it could for `name`: its certificate came before this, or none will. */
  settleCertificate(name: string): void {
    this.waiting.settle(name, !this.#table.has(name));
  }

  /**
   * What is served to a client that asks for `name`.
   * @param name as in the ClientHello; empty: none. Then the address that it connected to counts
   * @param client its `localAddress` is asked for only when needed: it may cost a system call
   * @returns null when the policy refuses the client, or there is no certificate at all
   */
  choiceFor(
    { spec }: LinkedPolicy,
    name: string,
    client: { readonly localAddress: string },
  ): Choice | null {
    const wallMs = this.backend.wallMs();
    if (name === '' && spec.noName === 'refuse') return null;
    let own: Choice | null = null;
    if (name !== '') own = this.#table.choose(name, wallMs);
    else if (this.#table.hasAddresses) own = this.#table.choose(client.localAddress, wallMs);
    if (own !== null || (name !== '' && spec.unknownName === 'refuse')) return own;
    return this.#table.chooseDefault(spec.defaultCertificate, wallMs);
  }

  hasCertificate(name: string): boolean {
    return this.#table.has(name);
  }

  /** The context for `choice`; null when it cannot be built, which is reported once. */
  contextFor(policy: LinkedPolicy, choice: Choice): TlsContext | null {
    return this.#contexts.contextFor(policy, choice, this.hello);
  }

  /** Counts a handshake. @returns false when `address` has begun too many */
  allowsHandshake(address: string, perSecondMax: number): boolean {
    const rate = perSecondMax === 0 ? 0 : handshakeShareOf(perSecondMax, this.#workerCount);
    return this.#limiter.allows(address, rate, this.backend.nowMs());
  }

  /** @param ms from the first byte of the hello to the end of the handshake */
  observeHandshake(ms: number): void {
    const micros = ms * 1_000;
    this.cells[WorkerCell.handshakeUs + histogramBucket(micros)]!++;
    this.cells[WorkerCell.handshakeUs + HISTOGRAM_SUM]! += micros;
  }
}
