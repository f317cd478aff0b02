/**
 * Certificate requests (RFC 2986) as authorities of today want them: the names stand in the
 * alternative names only, and the subject is empty.
 */

import type { KeyObject } from 'node:crypto';

import { derExplicit, derOctetString, derOid, derSequence } from './der-writer.ts';
import { derSet, derSmallInteger } from './der-writer.ts';
import { signValue, spkiOf } from './keys.ts';
import { alternativeNames } from './names.ts';
import { Oid } from './oids.ts';

/**
 * @param names       A-labels, wildcards, addresses
 * @param privateKey  ECDSA P-256 or P-384, RSA or Ed25519
 * @returns DER of the request
 */
export function createCsr(names: readonly string[], privateKey: KeyObject): Uint8Array {
  const extensions = derSequence(
    derSequence(derOid(Oid.subjectAltName), derOctetString(alternativeNames(names))),
  );
  const attributes = derExplicit(0, derSequence(derOid(Oid.extensionRequest), derSet(extensions)));
  const body = derSequence(derSmallInteger(0), derSequence(), spkiOf(privateKey), attributes);
  return signValue(privateKey, body);
}
