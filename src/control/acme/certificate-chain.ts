/**
 * What an authority hands out: whether it is the certificate that was asked for, and under which
 * root it stands.
 */

import { X509Certificate } from 'node:crypto';

import { readCertificate } from '../x509/certificate-reader.ts';
import { keyFromPem } from '../x509/keys.ts';
import { certificatesOf } from '../x509/pem.ts';

const CERTIFICATES_MAX = 20;

/**
 * Times are not looked at: with a clock that is wrong every certificate would be thrown away, and
 * each counts against the limits of the authority.
 * @param chain PEM, leaf first
 * @param key   PEM of the private key that the leaf must be for
 * @returns null: it is fit for `names`; else a few words that say what is wrong with it
 */
export function checkChain(chain: string, key: string, names: readonly string[]): string | null {
  const certificates = certificatesOf(chain);
  if (certificates.length === 0) return 'it is no certificate';
  if (certificates.length > CERTIFICATES_MAX) return 'its chain is too long';
  const leaf = readCertificate(certificates[0]!);
  if (leaf === null) return 'it is malformed';
  const privateKey = keyFromPem(key);
  if (privateKey === null || !holdsKey(certificates[0]!, privateKey)) return 'its key is not ours';
  const missing = names.find((name) => !leaf.names.includes(name));
  return missing === undefined ? null : `it is not for ${missing}`;
}

function holdsKey(
  der: Uint8Array,
  key: Parameters<X509Certificate['checkPrivateKey']>[0],
): boolean {
  try {
    return new X509Certificate(der).checkPrivateKey(key);
  } catch {
    return false;
  }
}

/**
 * True: the chain ends under the root with that common name, which usually is not in it: then the
 * last certificate names it as its issuer.
 */
export function hasRoot(chain: string, commonName: string): boolean {
  const last = readCertificate(certificatesOf(chain).at(-1) ?? new Uint8Array());
  return last !== null && [last.issuerCommonName, last.subjectCommonName].includes(commonName);
}
