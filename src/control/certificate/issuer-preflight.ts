/**
 * Preflight for the certificate manager: looks at DNS and at ourselves before an ACME authority is
 * asked, with what the issuer of the configuration says about challenges and resolvers.
 */

import { createPreflight } from '../dns/create-dns-solver.ts';
import type { PreflightFinding, ReachResult } from '../dns/preflight.ts';
import { selfRequest } from '../dns/self-request.ts';
import type { IssuerConfig } from '../config/config.ts';
import type { Preflight } from './issue-attempt.ts';
import type { ChallengeBoard, Issuer } from './issuer.ts';

/** Authorities that see the public DNS as everybody does. */
const PUBLIC_AUTHORITIES: readonly string[] = [
  'api.letsencrypt.org',
  'acme.zerossl.com',
  'acme.ssl.com',
  'dv.acme-v02.api.pki.goog',
  'api.buypass.com',
];

export interface IssuerPreflightOptions {
  /** The configuration of an issuer by name; undefined: it is gone. */
  readonly configOf: (name: string) => IssuerConfig | undefined;
  /** Workers that answer a made-up challenge; null: no request to ourselves. */
  readonly board: ChallengeBoard | null;
}

/** Issuers that can say how CAA records name their authority. */
interface CaaIssuer extends Issuer {
  caaIdentities(signal: AbortSignal): Promise<readonly string[]>;
}

/** The preflight of all issuers. It never rejects. */
export function issuerPreflight(options: IssuerPreflightOptions): Preflight {
  const { board } = options;
  const reach =
    board === null
      ? null
      : (name: string, kind: 'http-01' | 'tls-alpn-01', signal: AbortSignal) =>
          reachOurselves(board, name, kind, signal);
  return async (names, issuer, signal): Promise<readonly PreflightFinding[]> => {
    const config = options.configOf(issuer.name);
    if (config === undefined || config.kind !== 'acme') return [];
    const preflight = createPreflight(config.dns?.resolvers ?? [], reach);
    const challenges = config.challenges.filter((kind) => kind !== 'dns-01' || config.dns !== null);
    const caaIdentities = await caaIdentitiesOf(issuer, signal);
    const isPublicAuthority = isPublic(config.directory);
    return preflight.check(
      { names, challenges, caaIdentities, accountUri: '', isPublicAuthority },
      signal,
    );
  };
}

function isPublic(directory: string): boolean {
  const { hostname } = new URL(directory);
  return PUBLIC_AUTHORITIES.some((name) => hostname === name || hostname.endsWith(`.${name}`));
}

async function caaIdentitiesOf(issuer: Issuer, signal: AbortSignal): Promise<readonly string[]> {
  if (!('caaIdentities' in issuer)) return [];
  try {
    return await (issuer as CaaIssuer).caaIdentities(signal);
  } catch {
    return []; // The order will say what is wrong with the authority.
  }
}

async function reachOurselves(
  board: ChallengeBoard,
  name: string,
  kind: 'http-01' | 'tls-alpn-01',
  signal: AbortSignal,
): Promise<ReachResult> {
  try {
    return await selfRequest(
      {
        present: (challenge) => board.present(challenge),
        remove: (challenge) => board.remove(challenge),
      },
      name,
      kind,
      signal,
    );
  } catch {
    return 'reached'; // The workers cannot be told now: nothing is known, so nothing is said.
  }
}
