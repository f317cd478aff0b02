/**
 * A certificate authority of a test, in memory: signs whatever is asked for, expired ones too.
 */

import { createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  buildCaCertificate,
  buildLeafCertificate,
} from '../../src/control/x509/certificate-builder.ts';
import { generateKey, keyToPem, spkiOf } from '../../src/control/x509/keys.ts';
import type { NewKeyType } from '../../src/control/x509/keys.ts';
import { writePem } from '../../src/control/x509/pem.ts';

const DAY_MS = 86_400_000;

export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
  /** `sha256/…` of its public key. */
  readonly pin: string;
}

export interface IssueOptions {
  readonly isExpired?: boolean;
  readonly keyType?: NewKeyType;
  /** What is left of its life; 30. */
  readonly days?: number;
}

export class TestAuthority {
  /** PEM. */
  readonly ca: string;
  readonly #certificate: Uint8Array;
  readonly #key: KeyObject;

  private constructor(certificate: Uint8Array, key: KeyObject) {
    this.#certificate = certificate;
    this.#key = key;
    this.ca = writePem('CERTIFICATE', certificate);
  }

  static async create(commonName = 'Test authority'): Promise<TestAuthority> {
    const key = await generateKey('ecdsa-p256');
    const nowMs = Date.now();
    const certificate = buildCaCertificate({
      commonName,
      organization: 'Proxy Now tests',
      key,
      pathLength: 0,
      signer: null,
      notBeforeMs: nowMs - 100 * DAY_MS,
      notAfterMs: nowMs + 100 * DAY_MS,
    });
    return new TestAuthority(certificate, key);
  }

  async issue(names: readonly string[], options: IssueOptions = {}): Promise<IssuedCertificate> {
    const key = await generateKey(options.keyType ?? 'ecdsa-p256');
    const nowMs = Date.now();
    const der = buildLeafCertificate({
      names,
      key,
      signer: { certificate: this.#certificate, key: this.#key },
      notBeforeMs: nowMs - 30 * DAY_MS,
      notAfterMs: nowMs + (options.isExpired === true ? -1 : (options.days ?? 30)) * DAY_MS,
    });
    const digest = createHash('sha256').update(spkiOf(key)).digest('base64');
    return { cert: writePem('CERTIFICATE', der), key: keyToPem(key), pin: `sha256/${digest}` };
  }
}
