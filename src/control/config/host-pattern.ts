/**
 * Hosts as rules and endpoints write them.
 */

import { latin1Text } from '../../base/ascii.ts';
import { parseAddress } from '../../base/cidr.ts';
import { canonicalizeHost, HOST_SIZE_MAX } from '../../base/target.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const words = new Uint32Array(4);

/** True for a numeric address without brackets and zone. */
export function isAddress(text: string): boolean {
  return !text.includes('%') && parseAddress(text, words);
}

/**
 * True for a DNS name in lower case of at most 253 characters; also for dotted IPv4. What ends in
 * a number is an address or nothing: `10.0.0.256` and `127.1` mean different things to resolvers.
 */
export function isHostName(text: string): boolean {
  if (text.length > 253 || !text.split('.').every((label) => LABEL.test(label))) return false;
  return !/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(text) || isAddress(text);
}

/**
 * Reads the host of a rule: a name, a numeric address (IPv6 in brackets), `*.example.com` for
 * exactly one label, or `*` for any.
 * @returns the canonical form: lower case, no trailing dot
 */
export function parseHostPattern(text: string): Parsed<string> {
  const host = text.toLowerCase().replace(/(?<=[^*])\.$/, '');
  if (host === '*') return good(host);
  const isLiteral = host.startsWith('[') && host.endsWith(']') && host.includes(':');
  if (isLiteral && isAddress(host.slice(1, -1))) {
    return good(canonicalLiteral(host));
  }
  const star = host.indexOf('*', host.startsWith('*.') ? 1 : 0);
  if (star >= 0) {
    return invalid('a wildcard stands for the whole first label', {
      within: { start: star, end: star + 1 },
      expected: '`*.example.com`, or `*` for every host',
    });
  }
  const name = host.startsWith('*.') ? host.slice(2) : host;
  if (isHostName(name)) return good(host);
  return invalid(reason(name), { expected: 'a host name such as `www.example.com`' });
}

/** The one spelling of an IPv6 literal (RFC 5952), as requests are canonicalised. */
export function canonicalLiteral(literal: string): string {
  const bytes = utf8Bytes(literal);
  const out = new Uint8Array(HOST_SIZE_MAX);
  return latin1Text(out, 0, canonicalizeHost(bytes, 0, bytes.length, out));
}

function reason(host: string): string {
  if (host === '') return 'the host is empty';
  if (/[^\u0000-\u007f]/.test(host)) return 'the host is not in its ASCII form (punycode)';
  if (host.includes('://')) return 'the host has a scheme';
  if (/:\d+$/.test(host)) return 'the host has a port; a route matches on any port';
  if (host.includes('/')) return 'the host has a path';
  return 'not a host name';
}

function invalid(message: string, more: object): Parsed<string> {
  return bad('PN1306', message, more);
}
