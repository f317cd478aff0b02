/**
 * Sizes as people write them: `64KiB`, `1.5MiB`, `10MB`, `512B`, and `0`.
 *
 * `KiB`, `MiB`, `GiB`, `TiB` are powers of 1,024; `KB`, `MB`, `GB`, `TB` powers of 1,000.
 * Invariant: `parseSize(formatSize(x)) === x` for every whole `x` >= 0 below 2^53.
 */

const UNITS: readonly (readonly [unit: string, bytes: number])[] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['TB', 1e12],
  ['GB', 1e9],
  ['MB', 1e6],
  ['KB', 1e3],
  ['B', 1],
];

const SIZE = /^(\d+(?:\.\d+)?)(B|[KMGT]i?B)$/;

/**
 * Reads a size: a number and a unit, spelled exactly as above; or `0` alone.
 * @returns whole bytes below 2^53; null for any other text, fractions of a byte included
 */
export function parseSize(text: string): number | null {
  if (text === '0') return 0;
  const match = SIZE.exec(text);
  if (match === null) return null;
  const unit = UNITS.find(([name]) => name === match[2])?.[1] ?? 0;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/**
 * Writes `bytes` with the largest binary unit that keeps it whole: `64KiB`, `1000B`, `0`.
 * @param bytes whole, >= 0
 */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0';
  const binary = UNITS.find(([name, size]) => name !== 'TB' && bytes % size === 0);
  const [unit, size] = binary !== undefined && binary[0].includes('i') ? binary : ['B', 1];
  return `${bytes / size}${unit}`;
}
