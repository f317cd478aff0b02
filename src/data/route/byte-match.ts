/**
 * Comparisons of a byte range with wanted bytes: the primitive predicates on host and path.
 * Hot: no allocation. Ranges are borrowed for the call.
 */

const SLASH = 0x2f;
const DOT = 0x2e;

/** True when [start, end) is exactly `wanted`. */
export function bytesEqual(
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: Uint8Array,
): boolean {
  const size = wanted.length;
  if (end - start !== size) return false;
  for (let i = 0; i < size; i++) {
    if (bytes[start + i] !== wanted[i]) return false;
  }
  return true;
}

/**
 * Segment-aware prefix: the path is `prefix`, or goes on behind it at a segment border.
 * `/api` matches `/api` and `/api/x`, not `/apix`; `/api/` matches `/api/x`, not `/api`.
 * @param prefix  not `/`: that matches everything and is decided where predicates are linked
 */
export function hasPathPrefix(
  bytes: Uint8Array,
  start: number,
  end: number,
  prefix: Uint8Array,
): boolean {
  const size = prefix.length;
  if (end - start < size) return false;
  for (let i = 0; i < size; i++) {
    if (bytes[start + i] !== prefix[i]) return false;
  }
  if (end - start === size || size === 0) return true;
  return bytes[start + size] === SLASH || prefix[size - 1] === SLASH;
}

/**
 * True when the host is one label, a dot and `parent`: what `*.parent` matches.
 * @param parent  name behind `*.`
 */
export function hasParentHost(
  bytes: Uint8Array,
  start: number,
  end: number,
  parent: Uint8Array,
): boolean {
  const dot = end - parent.length - 1;
  if (dot <= start || bytes[dot] !== DOT) return false;
  for (let i = start; i < dot; i++) {
    if (bytes[i] === DOT) return false;
  }
  return bytesEqual(bytes, dot + 1, end, parent);
}
