/**
 * Forwarded fields: who the client is when trusted proxies stand in between, and what the next
 * hop is told. Only reached for peers in a listener's `trusted-proxies`, or with
 * `forwarded-header` on.
 */

import type { CidrSet } from '../../base/cidr.ts';
import { parseAddress } from '../../base/cidr.ts';
import { Field } from '../codec/field.ts';
import type { FieldTable } from '../codec/head.ts';

/** Addresses of one chain that are looked at, from the right. */
const HOPS_MAX = 32;

const scratchWords = new Uint32Array(4);

/** All X-Forwarded-For lines joined, with the peer appended. */
export function forwardedChain(fields: FieldTable, peerAddress: string): string {
  let chain = '';
  for (let at = fields.find(Field.xForwardedFor); at >= 0; at = nextFor(fields, at)) {
    const value = fields.valueText(at);
    if (value !== '') chain = chain === '' ? value : `${chain}, ${value}`;
  }
  if (peerAddress === '') return chain;
  return chain === '' ? peerAddress : `${chain}, ${peerAddress}`;
}

/**
 * The client's address: the right-most one in X-Forwarded-For that is not itself a trusted proxy.
 * An entry that is no address ends the search: what stands left of it is not to be believed.
 * @param peerAddress the socket's view, already known to be trusted
 */
export function clientAddressOf(fields: FieldTable, peerAddress: string, trusted: CidrSet): string {
  const hops = forwardedChain(fields, '').split(',');
  let address = peerAddress;
  for (let i = hops.length - 1; i >= 0 && i >= hops.length - HOPS_MAX; i--) {
    const hop = bareAddress(hops[i]!.trim());
    if (hop === '') break;
    address = hop;
    if (!trusted.contains(hop)) break;
  }
  return address;
}

/** One element of the Forwarded field (RFC 7239 §4) about this hop. */
export function forwardedElement(peerAddress: string, host: string, scheme: string): string {
  const address = peerAddress === '' ? 'unknown' : peerAddress;
  const node = address.includes(':') ? `"[${address}]"` : address;
  const quotedHost = host === '' ? '' : `;host="${host}"`;
  return `for=${node}${quotedHost};proto=${scheme}`;
}

function nextFor(fields: FieldTable, index: number): number {
  return fields.find(Field.xForwardedFor, index + 1);
}

/** Strips brackets and a port; empty when what is left is no address. */
function bareAddress(text: string): string {
  const bare = withoutPort(text);
  return !bare.includes('%') && parseAddress(bare, scratchWords) ? bare : '';
}

function withoutPort(text: string): string {
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    return close < 0 ? '' : text.slice(1, close);
  }
  const colon = text.indexOf(':');
  const isPortOnly = colon >= 0 && text.indexOf(':', colon + 1) < 0;
  return isPortOnly ? text.slice(0, colon) : text;
}
