/**
 * Object identifiers that certificates, requests and OCSP responses are made of.
 */

export const Oid = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',

  rsaKey: '1.2.840.113549.1.1.1',
  rsaPssKey: '1.2.840.113549.1.1.10',
  ecKey: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',

  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  rsaSha1: '1.2.840.113549.1.1.5',
  rsaSha256: '1.2.840.113549.1.1.11',
  rsaSha384: '1.2.840.113549.1.1.12',
  rsaSha512: '1.2.840.113549.1.1.13',
  ecdsaSha1: '1.2.840.10045.4.1',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  ecdsaSha512: '1.2.840.10045.4.3.4',

  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  /** RFC 7633: TLS features; 5 (status_request) in it is what people call must-staple. */
  tlsFeature: '1.3.6.1.5.5.7.1.24',
  /** RFC 8737 §3. */
  acmeIdentifier: '1.3.6.1.5.5.7.1.31',

  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ocspSigning: '1.3.6.1.5.5.7.3.9',

  /** Access method of a responder, in authorityInfoAccess. */
  ocsp: '1.3.6.1.5.5.7.48.1',
  ocspBasic: '1.3.6.1.5.5.7.48.1.1',

  /** Extension of a request (RFC 2985 §5.4.2). */
  extensionRequest: '1.2.840.113549.1.9.14',
} as const;
