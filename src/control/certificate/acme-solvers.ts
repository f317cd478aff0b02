/**
 * Ways to show challenges: HTTP-01 and TLS-ALPN-01 by the workers, DNS-01 by a DNS provider.
 *
 * W1  records are put into DNS one after the other: some providers replace all values of a name at
 *     once, and a wildcard and its bare name share one.
 */

import type { KeyObject } from 'node:crypto';

import type { ChallengeSpec } from '../../contract/tls.ts';
import { dnsRecordValue, tlsAlpnHost } from '../acme/challenge.ts';
import type { Challenge, ChallengeKind, ChallengeSolvers, Identifier } from '../acme/challenge.ts';
import type { DnsSolver } from '../dns/dns-solver.ts';
import { buildChallengeCertificate } from '../x509/certificate-builder.ts';
import { generateKey, keyToPem } from '../x509/keys.ts';
import { writePem } from '../x509/pem.ts';
import type { ChallengeBoard } from './issuer.ts';

export type DnsSteps = Pick<DnsSolver, 'add' | 'waitUntilSeen' | 'remove'>;

/** Life of the certificate that answers TLS-ALPN-01; generous, for clocks differ. */
const CHALLENGE_LIFE_MS = 7 * 86_400_000;
/** Taking a record away must not hold up anything for longer. */
const CLEANUP_MAX_MS = 60_000;

export interface AcmeSolversOptions {
  readonly board: ChallengeBoard;
  readonly dns: DnsSteps | null;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
}

export class AcmeSolvers implements ChallengeSolvers {
  readonly #options: AcmeSolversOptions;
  /** What the workers have, so that the same is taken away. */
  readonly #shown = new Map<string, ChallengeSpec>();
  /** Key of all challenge certificates; it proves nothing to anybody. */
  #key: Promise<KeyObject> | null = null;
  /** W1. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: AcmeSolversOptions) {
    this.#options = options;
  }

  refusal(kind: ChallengeKind, identifier: Identifier): string | null {
    if (kind !== 'dns-01') return null;
    if (identifier.type === 'ip') return 'an address has no records in DNS';
    return this.#options.dns === null ? 'the issuer has no `dns`' : null;
  }

  async present(
    challenge: Challenge,
    signal: AbortSignal,
    onStep: (step: string) => void,
  ): Promise<void> {
    if (challenge.kind === 'dns-01') return this.#presentRecord(challenge, signal, onStep);
    const spec = await this.#specOf(challenge);
    this.#shown.set(idOf(challenge), spec);
    await this.#options.board.present(spec);
  }

  async cleanup(challenge: Challenge): Promise<void> {
    if (challenge.kind === 'dns-01') return this.#removeRecord(challenge);
    const spec = this.#shown.get(idOf(challenge));
    if (spec === undefined) return; // Of a process before this one: nobody shows it any more.
    this.#shown.delete(idOf(challenge));
    this.#options.board.remove(spec);
  }

  async #presentRecord(
    challenge: Challenge,
    signal: AbortSignal,
    onStep: (step: string) => void,
  ): Promise<void> {
    const { dns } = this.#options;
    const record = recordOf(challenge);
    await this.#oneAfterTheOther(() => dns!.add(record, signal));
    await dns!.waitUntilSeen(record, signal, onStep);
  }

  async #removeRecord(challenge: Challenge): Promise<void> {
    const { dns } = this.#options;
    if (dns === null) return;
    // From its turn on: those before it may take their time.
    await this.#oneAfterTheOther(() =>
      dns.remove(recordOf(challenge), AbortSignal.timeout(CLEANUP_MAX_MS)),
    );
  }

  #oneAfterTheOther<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => undefined);
    return result;
  }

  async #specOf({ kind, identifier, token, keyAuthorization }: Challenge): Promise<ChallengeSpec> {
    if (kind === 'http-01') return { kind, host: identifier.value, token, keyAuthorization };
    this.#key ??= generateKey('ecdsa-p256');
    const key = await this.#key;
    const nowMs = this.#options.nowMs();
    const der = buildChallengeCertificate(identifier.value, keyAuthorization, key, {
      notBeforeMs: nowMs - CHALLENGE_LIFE_MS,
      notAfterMs: nowMs + CHALLENGE_LIFE_MS,
    });
    return {
      kind: 'tls-alpn-01',
      host: tlsAlpnHost(identifier),
      cert: writePem('CERTIFICATE', der),
      key: keyToPem(key),
    };
  }
}

function recordOf({ identifier, keyAuthorization }: Challenge): { name: string; value: string } {
  return { name: identifier.value, value: dnsRecordValue(keyAuthorization) };
}

function idOf({ kind, identifier, token }: Challenge): string {
  return `${kind} ${identifier.value} ${token}`;
}
