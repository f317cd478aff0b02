/**
 * Listener addresses: `:8080`, `127.0.0.1:80`, `[::1]:80`, `unix:/path`.
 */

import { parseAddress } from '../../base/cidr.ts';
import { isIpv4, writeIpv6, IPV6_TEXT_SIZE_MAX } from '../../base/ip-address.ts';
import { latin1Text } from '../../base/ascii.ts';
import type { Parsed } from './parsed.ts';
import { bad, good } from './parsed.ts';

export interface ListenerAddress {
  readonly kind: 'tcp' | 'unix';
  /** Canonical numeric address; `::` for all interfaces of both families; path for unix. */
  readonly host: string;
  /** 0 for unix; 0 for tcp lets the system choose. */
  readonly port: number;
}

/** What `parseListenerAddress` falls back to. */
export const NO_ADDRESS: ListenerAddress = { kind: 'tcp', host: '::', port: 0 };

const EXPECTED = 'an address such as `:8080`, `127.0.0.1:80`, `[::1]:80` or `unix:/path`';

/** Reads one address. The host is numeric: a name could mean several addresses. */
export function parseListenerAddress(text: string): Parsed<ListenerAddress> {
  if (text.startsWith('unix:')) return parseUnix(text.slice(5));
  const match = /^(\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text);
  if (match === null) return bad('PN1314', 'not a listener address', { expected: EXPECTED });
  const [, hostText = '', portText = ''] = match;
  const port = Number(portText);
  if (port > 65_535) {
    const within = { start: text.length - portText.length, end: text.length };
    return bad('PN1314', 'the port is out of bounds', { expected: '0 to 65535', within });
  }
  if (hostText === '') return good({ kind: 'tcp', host: '::', port });
  const host = canonicalAddress(hostText);
  if (host !== null) return good({ kind: 'tcp', host, port });
  const hint =
    hostText === 'localhost' ? `write \`127.0.0.1:${port}\` or \`[::1]:${port}\`` : undefined;
  const within = { start: 0, end: hostText.length };
  return bad('PN1314', 'the host is no numeric address', { expected: EXPECTED, hint, within });
}

/**
 * True when both cannot be bound at once: same port, and the same host or one of them covering
 * the other. `::` covers all of both families, `0.0.0.0` all of IPv4. Port 0 never collides.
 */
export function addressesCollide(a: ListenerAddress, b: ListenerAddress): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === 'unix') return a.host === b.host;
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || covers(a.host, b.host) || covers(b.host, a.host);
}

/** True for loopback addresses and unix sockets: out of reach of other machines. */
export function isLocalAddress(address: ListenerAddress): boolean {
  if (address.kind === 'unix') return true;
  return address.host === '::1' || address.host.startsWith('127.');
}

function covers(wide: string, narrow: string): boolean {
  return wide === '::' || (wide === '0.0.0.0' && !narrow.includes(':'));
}

function parseUnix(path: string): Parsed<ListenerAddress> {
  if (!path.startsWith('/') || path.endsWith('/')) {
    return bad('PN1314', 'the socket path is not absolute', { expected: '`unix:/path`' });
  }
  // The kernel's sockaddr_un has 108 bytes, one of them the terminator.
  if (path.length > 107) {
    return bad('PN1314', 'the socket path is too long', { expected: 'at most 107 characters' });
  }
  return good({ kind: 'unix', host: path, port: 0 });
}

/** One spelling per address; null when `text` is none. IPv6 stands in brackets. */
function canonicalAddress(text: string): string | null {
  const isBracketed = text.startsWith('[');
  const bare = isBracketed ? text.slice(1, -1) : text;
  const words = new Uint32Array(4);
  if (bare.includes('%') || !parseAddress(bare, words)) return null;
  if (isBracketed !== bare.includes(':')) return null;
  if (isIpv4(words)) {
    const address = words[3]!;
    return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
  }
  const bytes = new Uint8Array(IPV6_TEXT_SIZE_MAX);
  return latin1Text(bytes, 0, writeIpv6(words, bytes, 0));
}
