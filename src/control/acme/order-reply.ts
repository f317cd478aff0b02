/**
 * Documents of orders and authorizations (RFC 8555 §7.1.3, §7.1.4) as far as the client looks at
 * them. They come from somebody else: whatever is not as it must be gives null.
 */

import type { ChallengeKind, Identifier } from './challenge.ts';
import type { OfferedChallenge } from './order-state.ts';
import { problemOf } from './problem.ts';
import type { Problem } from './problem.ts';

/** More than any authority puts into one certificate. */
const AUTHORIZATIONS_MAX = 1_000;
const CHALLENGES_MAX = 50;
const KINDS: readonly string[] = ['http-01', 'tls-alpn-01', 'dns-01'] satisfies ChallengeKind[];

export interface OrderDocument {
  readonly status: string;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  /** Empty until it is there. */
  readonly certificate: string;
  readonly error: Problem | null;
}

export interface AuthorizationDocument {
  readonly status: string;
  readonly identifier: Identifier;
  readonly isWildcard: boolean;
  /** Of kinds that are known; the others are left out. */
  readonly challenges: readonly OfferedChallenge[];
  /** What the first failed challenge says. */
  readonly error: Problem | null;
}

type Members = Readonly<Record<string, unknown>>;

export function readOrder(body: Uint8Array): OrderDocument | null {
  const members = membersOf(body);
  if (members === null) return null;
  const { status, authorizations, finalize, certificate, error } = members;
  if (typeof status !== 'string' || !isUrl(finalize)) return null;
  if (!Array.isArray(authorizations) || authorizations.length > AUTHORIZATIONS_MAX) return null;
  if (!authorizations.every(isUrl)) return null;
  return {
    status,
    authorizations,
    finalize,
    certificate: isUrl(certificate) ? certificate : '',
    error: problemOf(error, 400),
  };
}

export function readAuthorization(body: Uint8Array): AuthorizationDocument | null {
  const members = membersOf(body);
  if (members === null) return null;
  const { status, identifier, challenges, wildcard } = members;
  if (typeof status !== 'string' || !isIdentifier(identifier)) return null;
  if (!Array.isArray(challenges) || challenges.length > CHALLENGES_MAX) return null;
  const offered: OfferedChallenge[] = [];
  let failure: Problem | null = null;
  for (const value of challenges as unknown[]) {
    const challenge = challengeOf(value);
    if (challenge !== null) offered.push(challenge);
    failure ??= problemOf((value as Members | null)?.['error'], 400);
  }
  const { type, value } = identifier;
  return {
    status,
    identifier: { type, value: value.toLowerCase() },
    isWildcard: wildcard === true,
    challenges: offered,
    error: failure,
  };
}

function challengeOf(value: unknown): OfferedChallenge | null {
  if (typeof value !== 'object' || value === null) return null;
  const { type, url, token, status } = value as Members;
  if (typeof type !== 'string' || !KINDS.includes(type) || !isUrl(url)) return null;
  // A token is part of a path and of a digest: only base64url (RFC 8555 §8.3).
  if (typeof token !== 'string' || !/^[A-Za-z0-9_-]{1,512}$/.test(token)) return null;
  return {
    kind: type as ChallengeKind,
    url,
    token,
    status: typeof status === 'string' ? status : 'pending',
  };
}

function membersOf(body: Uint8Array): Members | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null ? (value as Members) : null;
  } catch {
    return null;
  }
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 2_000 && URL.canParse(value);
}

function isIdentifier(value: unknown): value is Identifier {
  if (typeof value !== 'object' || value === null) return false;
  const { type, value: name } = value as Members;
  return (type === 'dns' || type === 'ip') && typeof name === 'string' && name.length <= 255;
}
