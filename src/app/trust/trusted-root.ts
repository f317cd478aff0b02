/**
 * Roots as stores of trust know them, and what became of one in a store.
 */

export interface TrustedRoot {
  /** Its common name: what stores list it under. */
  readonly name: string;
  /** SHA-256, lower-case hex. */
  readonly id: string;
  readonly pem: string;
}

export interface TrustResult {
  /** `the system`, `Chromium`, `Firefox`. */
  readonly store: string;
  /** Where the store is; empty: there is none. */
  readonly path: string;
  readonly outcome: 'installed' | 'present' | 'removed' | 'absent' | 'skipped' | 'failed';
  /** One sentence: what was done, or why not and what to do. */
  readonly message: string;
}

/** Common names of our roots begin so. */
export const ROOT_NAME_PREFIX = 'Proxy Now Local Authority ';

/** Files of our roots in a folder of the system. */
export function rootFileName(root: TrustedRoot, extension: string): string {
  return `proxy-now-${root.id.slice(0, 16)}${extension}`;
}
