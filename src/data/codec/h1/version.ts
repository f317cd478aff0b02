/**
 * Reads an HTTP version (RFC 9112 §2.3): HTTP/1.0 and HTTP/1.1 only.
 *
 * RFC 9110 §2.5 suggests (SHOULD) to read a higher minor version as 1.1. None exists, so a peer
 * that claims one is not speaking HTTP; it is refused like every other version, as the common
 * HTTP/1 parsers do.
 */

import { DIGIT_0, latin1Bytes } from '../../../base/ascii.ts';

/** Size of `HTTP/1.1`. */
export const VERSION_SIZE = 8;

/** Outcomes of `readVersion` other than a minor version. */
export const VERSION_MORE = -1;
export const VERSION_MALFORMED = -2;
export const VERSION_UNSUPPORTED = -3;

const MAJOR = 5;
const MINOR = 7;
const PATTERN = latin1Bytes('HTTP/1.1');

/**
 * Reads the version at `at`; case-sensitive, one digit on either side of the dot.
 * @returns minor version 0 or 1; `VERSION_MORE` when all bytes before `stop` fit; else why not
 */
export function readVersion(bytes: Uint8Array, at: number, stop: number): number {
  const available = Math.min(stop - at, VERSION_SIZE);
  for (let i = 0; i < available; i++) {
    const byte = bytes[at + i]!;
    if (i === MAJOR || i === MINOR) {
      if (byte < DIGIT_0 || byte > DIGIT_0 + 9) return VERSION_MALFORMED;
    } else if (byte !== PATTERN[i]) return VERSION_MALFORMED;
  }
  if (available < VERSION_SIZE) return VERSION_MORE;
  const minor = bytes[at + MINOR]! - DIGIT_0;
  if (bytes[at + MAJOR] !== DIGIT_0 + 1 || minor > 1) return VERSION_UNSUPPORTED;
  return minor;
}
