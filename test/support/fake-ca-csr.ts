/** What a certificate request asks for, checked as an authority does (RFC 2986). */

import { createPublicKey, verify, type KeyObject } from 'node:crypto';

import { contextTag, DerReader, latin1, Tag } from '../../src/control/x509/der-reader.ts';
import { Oid } from '../../src/control/x509/oids.ts';

export interface CertificateRequest {
  /** Lower case; addresses as text. */
  readonly names: readonly string[];
  readonly key: KeyObject;
}

/** @throws Error when it is malformed or not signed by its key */
export function readCsr(der: Uint8Array): CertificateRequest {
  const outer = new DerReader(der).enter(Tag.sequence);
  const body = outer.whole(Tag.sequence);
  outer.skip();
  const signature = outer.bitString();
  const parts = new DerReader(body).enter(Tag.sequence);
  parts.skip(); // Version.
  parts.skip(); // Subject.
  const spki = Buffer.from(parts.whole(Tag.sequence));
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!verify('sha256', body, key, signature) && !verify('sha384', body, key, signature)) {
    throw new Error('the request is not signed by its key');
  }
  const attributes = parts.enter(contextTag(0, true));
  const names: string[] = [];
  while (!attributes.isAtEnd) {
    const attribute = attributes.enter(Tag.sequence);
    if (attribute.oid() !== Oid.extensionRequest) continue;
    const extensions = attribute.enter(Tag.set).enter(Tag.sequence);
    while (!extensions.isAtEnd) names.push(...namesOf(extensions.enter(Tag.sequence)));
  }
  return { names, key };
}

function namesOf(extension: DerReader): string[] {
  if (extension.oid() !== Oid.subjectAltName) return [];
  if (extension.peek() === Tag.boolean) extension.skip();
  const list = new DerReader(extension.content(Tag.octetString)).enter(Tag.sequence);
  const names: string[] = [];
  while (!list.isAtEnd) {
    const tag = list.peek();
    const content = list.content(tag);
    const isAddress = tag === contextTag(7, false);
    names.push(isAddress ? addressOf(content) : latin1(content).toLowerCase());
  }
  return names;
}

function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
