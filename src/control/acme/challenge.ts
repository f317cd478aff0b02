/**
 * Challenges: what is shown to the authority to prove control of a name or an address
 * (RFC 8555 §8, RFC 8737, RFC 8738).
 */

import { createHash } from 'node:crypto';

import { addressBytes } from '../x509/names.ts';

export type ChallengeKind = 'http-01' | 'tls-alpn-01' | 'dns-01';

export interface Identifier {
  readonly type: 'dns' | 'ip';
  /** A-labels without `*.`, or an address in canonical text. */
  readonly value: string;
}

/** One challenge as it is shown; plain data. */
export interface Challenge {
  readonly kind: ChallengeKind;
  readonly identifier: Identifier;
  readonly token: string;
  /** Token and thumbprint of the account key (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
}

/**
 * Shows challenges. Each call is made with challenges of one order; several orders may be under
 * way at once.
 */
export interface ChallengeSolvers {
  /** Null: this kind can be shown for that name; else a few words that say why not. */
  refusal(kind: ChallengeKind, identifier: Identifier): string | null;
  /**
   * Resolves when the authority can see it everywhere: acknowledged by every worker, present on
   * every authoritative DNS server. May be called again for what is shown already (after a
   * restart).
   * @param onStep told what is waited for, in a few words
   * @throws Error with one sentence for people; the signal's reason when it is aborted
   */
  present(challenge: Challenge, signal: AbortSignal, onStep: (step: string) => void): Promise<void>;
  /** Takes it away; harmless when it was never shown. What fails here is not fatal. */
  cleanup(challenge: Challenge): Promise<void>;
}

/** Identifier of a name of a certificate; `*.` is left out, as authorizations have it. */
export function identifierOf(name: string): Identifier {
  if (addressBytes(name) !== null) return { type: 'ip', value: name };
  return { type: 'dns', value: name.startsWith('*.') ? name.slice(2) : name };
}

/** Value of the TXT record of DNS-01 (RFC 8555 §8.4). */
export function dnsRecordValue(keyAuthorization: string): string {
  return createHash('sha256').update(keyAuthorization).digest('base64url');
}

/**
 * Name in the ClientHello of TLS-ALPN-01: the name itself, and for an address the one that it has
 * in reverse DNS (RFC 8738 §6).
 */
export function tlsAlpnHost(identifier: Identifier): string {
  const bytes = identifier.type === 'ip' ? addressBytes(identifier.value) : null;
  if (bytes === null) return identifier.value;
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`;
  const nibbles = Buffer.from(bytes).toString('hex').split('');
  return `${nibbles.toReversed().join('.')}.ip6.arpa`;
}
