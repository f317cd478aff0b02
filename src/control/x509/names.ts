/**
 * Names of certificates as X.509 values: subjects and alternative names.
 */

import { parseIpv4, parseIpv6 } from '../../base/ip-address.ts';
import { derImplicit, derOid, derSequence, derSet, derUtf8 } from './der-writer.ts';
import { Oid } from './oids.ts';

const ENCODER = new TextEncoder();

/** @returns 4 or 16 octets; null: `text` is no address */
export function addressBytes(text: string): Uint8Array | null {
  const bytes = ENCODER.encode(text);
  const words = new Uint32Array(4);
  if (parseIpv4(bytes, 0, bytes.length, words)) return bigEndian(words.subarray(3));
  return parseIpv6(bytes, 0, bytes.length, words) ? bigEndian(words) : null;
}

/** Value of a subjectAltName extension (RFC 5280 §4.2.1.6). @param names A-labels, addresses */
export function alternativeNames(names: readonly string[]): Uint8Array {
  return derSequence(
    ...names.map((name) => {
      const address = addressBytes(name);
      return address === null ? derImplicit(2, ENCODER.encode(name)) : derImplicit(7, address);
    }),
  );
}

/** A Name of a common name and, before it, an organization; empty texts are left out. */
export function distinguishedName(commonName: string, organization = ''): Uint8Array {
  const parts: Uint8Array[] = [];
  if (organization !== '') parts.push(attribute(Oid.organization, organization));
  if (commonName !== '') parts.push(attribute(Oid.commonName, commonName));
  return derSequence(...parts);
}

function attribute(oid: string, text: string): Uint8Array {
  return derSet(derSequence(derOid(oid), derUtf8(text)));
}

function bigEndian(words: Uint32Array): Uint8Array {
  const out = new Uint8Array(words.length * 4);
  const view = new DataView(out.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word);
  return out;
}
