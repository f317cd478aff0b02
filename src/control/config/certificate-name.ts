/**
 * Names that certificates are for: which are public, which are addresses, and which patterns
 * match them.
 *
 * A name is in lower case, in A-labels; `*.` and a name for exactly one label; an address in its
 * canonical text, without brackets.
 */

import type { CidrSet } from '../../base/cidr.ts';
import { compileCidrSet } from '../../base/cidr.ts';
import { isAddress } from './host-pattern.ts';

/** Names below these never have a public certificate. */
const PRIVATE_DOMAINS: readonly string[] = ['localhost', 'local', 'internal', 'home.arpa'];

/** Addresses that mean another machine to everybody, or none (IANA special-purpose registries). */
const PRIVATE_RANGES: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/127',
  '64:ff9b:1::/48',
  '100::/64',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
];

let privateAddresses: CidrSet | null = null;

/** The name of a certificate for the host of a rule: literals lose their brackets. */
export function certificateName(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

export function isAddressName(name: string): boolean {
  return isAddress(name);
}

export function isWildcardName(name: string): boolean {
  return name.startsWith('*.');
}

/** Whether a public authority may be asked for the name at all. */
export function isPublicName(name: string): boolean {
  if (isAddress(name)) return !isPrivateAddress(name);
  const bare = isWildcardName(name) ? name.slice(2) : name;
  // `*.com` is no name anybody gets, and underscores are no host names (RFC 952).
  if (!bare.includes('.') || bare.includes('_')) return false;
  return !PRIVATE_DOMAINS.some((domain) => bare === domain || bare.endsWith(`.${domain}`));
}

/**
 * True when `pattern` holds for `name`: it is the name, `*`, or `*.` and all of the name but its
 * first label. A wildcard name is matched by itself and `*` only.
 */
export function matchesName(pattern: string, name: string): boolean {
  return pattern === name || pattern === '*' || (!isWildcardName(name) && wideOf(name) === pattern);
}

/** `*.example.com` for `www.example.com`; empty for what no wildcard is for. */
export function wideOf(name: string): string {
  const dot = name.indexOf('.');
  return dot < 1 || isWildcardName(name) || isAddress(name) ? '' : `*${name.slice(dot)}`;
}

/** True for an address that no public authority connects to. @param address valid */
export function isPrivateAddress(address: string): boolean {
  privateAddresses ??= compileCidrSet(PRIVATE_RANGES);
  return privateAddresses.contains(address);
}
