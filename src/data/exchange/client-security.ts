/**
 * Client security: what is known of the TLS connection on which requests come. Made once per
 * connection, when its handshake has ended; read-only, and the same for all its exchanges.
 *
 * Only `info` was proved by the handshake. `serverName` and `fingerprint` are what the client says
 * of itself: they name and label, they never allow anything.
 */

import { isSame } from '../../base/is-same.ts';
import type { ClientAuthMode } from '../../contract/tls.ts';
import type { TlsInfo } from '../io/backend.ts';
import type { LinkedPolicy } from '../tls/linked-tls.ts';

export interface ClientSecurity {
  readonly info: TlsInfo;
  /** It has shown a certificate, and the policy had it verified. */
  readonly isClientVerified: boolean;
  /** As in the ClientHello, lower case; empty: none was said. */
  readonly serverName: string;
  /** JA4; empty when nobody has asked for it. */
  readonly fingerprint: string;
  /** What the connection was made under. */
  readonly policy: LinkedPolicy;
}

/** How a client has arrived, where the connection itself does not tell. */
export interface ClientArrival {
  /** Numeric address, perhaps of a PROXY protocol header; empty for unix sockets. */
  readonly peerAddress: string;
  /** Port that the client has connected to; 0: as the connection says. */
  readonly localPort: number;
  /** Null: without TLS. */
  readonly security: ClientSecurity | null;
}

/** What is known once a handshake under `policy` has ended. */
export function clientSecurity(
  info: TlsInfo,
  policy: LinkedPolicy,
  serverName: string,
  fingerprint: string,
): ClientSecurity {
  const isClientVerified = info.peerCertificate !== null && verifies(policy.spec.clientAuth);
  return { info, isClientVerified, serverName, fingerprint, policy };
}

/**
 * True when a connection made under `made` does not do for what `wanted` protects (RFC 9110
 * §15.5.20). Of two generations of one policy what it asks of clients counts, and nothing else: a
 * reload that changes ciphers or times must not disturb who is connected.
 */
export function needsOtherConnection(made: LinkedPolicy, wanted: LinkedPolicy): boolean {
  if (made === wanted) return false;
  const before = made.spec;
  const now = wanted.spec;
  if (before.name !== now.name || before.clientAuth !== now.clientAuth) return true;
  if (!verifies(now.clientAuth)) return false;
  return !isSame(before.clientCas, now.clientCas) || !isSame(before.clientCrls, now.clientCrls);
}

/** True when certificates that clients show are compared with the policy's authorities. */
function verifies(clientAuth: ClientAuthMode): boolean {
  return clientAuth === 'verify' || clientAuth === 'verify-if-given';
}
