/**
 * Registered domain: what authorities count certificates by. A guess without the Public Suffix
 * List: the last two labels, or three where the second level is known to be sold under. A guess
 * that is too wide costs time, one that is too narrow costs a refusal that the schedule obeys.
 */

import { isAddressName } from '../config/certificate-name.ts';

/** Second-level labels under two-letter domains that names are registered below. */
const SECOND_LEVELS = new Set(
  (
    'ac asn co com edu gob gouv gov gv id info kr ltd me mil name ne net nom nsw nt or org plc ' +
    'pro qld sa sch tas vic wa web'
  ).split(' '),
);
/** Suffixes of services that give names away, each name to another person. */
const SHARED_SUFFIXES: readonly string[] = [
  'duckdns.org',
  'github.io',
  'gitlab.io',
  'herokuapp.com',
  'dyndns.org',
  'ddns.net',
  'no-ip.org',
  'nip.io',
  'sslip.io',
  'traefik.me',
  'azurewebsites.net',
  'cloudfront.net',
  'fly.dev',
  'netlify.app',
  'pages.dev',
  'vercel.app',
  'web.app',
  'workers.dev',
  'eu.org',
  'dedyn.io',
  'ts.net',
];

/** @param name A-labels, maybe a wildcard, or an address: an IPv6 address counts as its /64 */
export function registeredDomain(name: string): string {
  if (isAddressName(name)) return name.includes(':') ? prefix64(name) : name;
  const labels = name.replace(/^\*\./, '').split('.');
  const bare = labels.join('.');
  const shared = SHARED_SUFFIXES.find((suffix) => bare.endsWith(`.${suffix}`));
  if (shared !== undefined) return labels.slice(-(shared.split('.').length + 1)).join('.');
  const isThird =
    labels.length > 2 && labels.at(-1)!.length === 2 && SECOND_LEVELS.has(labels.at(-2)!);
  return labels.slice(isThird ? -3 : -2).join('.');
}

function prefix64(address: string): string {
  const [head = '', tail = ''] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const gap = address.includes('::') ? Math.max(0, 8 - left.length - right.length) : 0;
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
