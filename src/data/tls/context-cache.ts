/**
 * Context cache: built TLS contexts by policy, certificates and ticket secret.
 *
 * X1  a context is built when the first client needs it, and `contextsMax` are kept, the last used
 *     ones: memory does not grow with the number of certificates.
 * X2  what could not be built is remembered and reported once, until one of its certificates is
 *     changed: a bad pair costs one log line, not a millisecond per client.
 * X3  tickets are bound to policy and certificates: the scope of a context names both, so that a
 *     session of one client-auth policy is not resumed under another. Two secrets are in use at a
 *     time; a client with a ticket of the previous one gets a context that reads it.
 * X4  a context that is not kept any more is closed: its memory goes with its last connection.
 */

import { WorkerCell } from '../../contract/metric-layout.ts';
import type { TicketSecrets } from '../../contract/tls.ts';
import type { IoBackend, ServerTlsOptions, TlsContext } from '../io/backend.ts';
import type { Choice } from './certificate-table.ts';
import type { ClientHello } from './client-hello.ts';
import type { LinkedPolicy } from './linked-tls.ts';

/** About 30 KB each, and half a millisecond to build one. */
export const CONTEXTS_MAX = 1_000;

/** Before the keys of contexts whose tickets are of the previous secret. */
const PREVIOUS = 'previous ';

interface KeptContext {
  /** Null: it cannot be built. */
  readonly context: TlsContext | null;
  readonly ids: readonly string[];
  /** First bytes of tickets of the previous secret in this scope; null until asked for. */
  previousTicketName: Uint8Array | null;
}

export class ContextCache {
  readonly #backend: IoBackend;
  readonly #cells: Float64Array;
  readonly #report: (message: string) => void;
  readonly #contextsMax: number;
  readonly #kept = new Map<string, KeptContext>();
  #secrets: TicketSecrets;

  constructor(
    backend: IoBackend,
    cells: Float64Array,
    secrets: TicketSecrets,
    report: (message: string) => void,
    // oxlint-disable-next-line max-params -- the last one is for tests.
    contextsMax: number = CONTEXTS_MAX,
  ) {
    this.#backend = backend;
    this.#cells = cells;
    this.#secrets = secrets;
    this.#report = report;
    this.#contextsMax = contextsMax;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * @param hello tells whose ticket is shown
   * @returns null when no certificate of `choice` gives a context; reported
   */
  contextFor(policy: LinkedPolicy, choice: Choice, hello: ClientHello): TlsContext | null {
    const scope = scopeOf(policy, choice);
    const current = this.#keptFor(scope, policy, choice, true);
    if (current.context === null) {
      return choice.length > 1 ? this.#anyContext(policy, choice, hello) : null;
    }
    if (!this.#isOfPrevious(current, scope, policy, hello)) return current.context;
    return this.#keptFor(scope, policy, choice, false).context ?? current.context;
  }

  /** Forgets contexts with any of these certificates. */
  forget(ids: ReadonlySet<string>): void {
    if (ids.size === 0) return;
    for (const [key, kept] of this.#kept) {
      if (kept.ids.some((id) => ids.has(id))) this.#drop(key, kept);
    }
    this.#count();
  }

  /** From now on tickets are made with `secrets.current`. */
  setSecrets(secrets: TicketSecrets): void {
    const before = this.#secrets;
    this.#secrets = secrets;
    const isCurrentKept = isSameSecret(before.current, secrets.current);
    if (isCurrentKept && isSameSecret(before.previous, secrets.previous)) return;
    // What was current serves as previous, without being built again.
    const isRotation = isSameSecret(before.current, secrets.previous);
    for (const [key, kept] of this.#kept) if (key.startsWith(PREVIOUS)) this.#drop(key, kept);
    for (const [key, kept] of Array.from(this.#kept)) {
      if (kept.context === null) continue;
      if (isCurrentKept) {
        kept.previousTicketName = null;
      } else if (isRotation) {
        this.#kept.delete(key);
        this.#kept.set(PREVIOUS + key, kept);
      } else {
        this.#drop(key, kept);
      }
    }
    this.#count();
  }

  /** By the first certificate that works alone: a broken one does not take the others along. */
  #anyContext(policy: LinkedPolicy, choice: Choice, hello: ClientHello): TlsContext | null {
    for (const entry of choice) {
      const context = this.contextFor(policy, [entry], hello);
      if (context !== null) return context;
    }
    return null;
  }

  #isOfPrevious(
    current: KeptContext,
    scope: string,
    policy: LinkedPolicy,
    hello: ClientHello,
  ): boolean {
    const { previous } = this.#secrets;
    if (previous === null || !policy.spec.sessionTickets || !hello.hasTicket) return false;
    current.previousTicketName ??= this.#backend.ticketName(previous, scope);
    return hello.hasTicketOf(current.previousTicketName);
  }

  #keptFor(scope: string, policy: LinkedPolicy, choice: Choice, isCurrent: boolean): KeptContext {
    const key = isCurrent ? scope : PREVIOUS + scope;
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, known); // The last one of the map is the last used one.
      return known;
    }
    const secret = isCurrent ? this.#secrets.current : this.#secrets.previous;
    const built = this.#backend.serverTls(optionsOf(policy, choice, secret, scope));
    if (typeof built === 'string') this.#reportFailure(choice, built);
    else this.#cells[WorkerCell.tlsContextsBuilt]!++;
    const kept: KeptContext = {
      context: typeof built === 'string' ? null : built,
      ids: choice.map((entry) => entry.id),
      previousTicketName: null,
    };
    this.#kept.set(key, kept);
    if (this.#kept.size > this.#contextsMax) this.#dropOldest();
    this.#count();
    return kept;
  }

  #dropOldest(): void {
    for (const [key, kept] of this.#kept) {
      this.#drop(key, kept);
      return;
    }
  }

  /** X4. */
  #drop(key: string, kept: KeptContext): void {
    this.#kept.delete(key);
    kept.context?.close();
  }

  #count(): void {
    this.#cells[WorkerCell.tlsContexts] = this.#kept.size;
  }

  #reportFailure(choice: Choice, reason: string): void {
    const names = choice[0]!.names.slice(0, 3).join(', ');
    const ids = choice.map((entry) => entry.id.slice(0, 16)).join(' and ');
    this.#report(`no TLS context for certificate ${ids} (${names}): ${reason}`);
  }
}

function scopeOf(policy: LinkedPolicy, choice: Choice): string {
  let scope = policy.contextKey;
  for (const entry of choice) scope += ` ${entry.id}`;
  return scope;
}

function optionsOf(
  policy: LinkedPolicy,
  choice: Choice,
  secret: Uint8Array | null,
  scope: string,
): ServerTlsOptions {
  const { spec } = policy;
  return {
    certificates: choice,
    minVersion: spec.minVersion,
    maxVersion: spec.maxVersion,
    ciphers: spec.ciphers,
    groups: spec.groups,
    clientAuth: spec.clientAuth,
    clientCas: spec.clientCas,
    clientCrls: spec.clientCrls,
    ticketSecret: spec.sessionTickets ? secret : null,
    ticketScope: scope,
    ocsp: stapleOf(choice),
  };
}

function isSameSecret(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** A response is about one certificate: with several it would go out with the wrong one. */
function stapleOf(choice: Choice): Uint8Array | null {
  return choice.length === 1 ? choice[0]!.ocsp : null;
}
