/**
 * Durations as people write them: `500ms`, `30s`, `1h30m`, `1.5s`, and `0`.
 *
 * Invariant: `parseDuration(formatDuration(x)) === x` for every whole `x` >= 0 below 2^53.
 */

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];

const PART = /(\d+(?:\.\d+)?)(ms|[smhd])/y;

/**
 * Reads a duration: one or more numbers with a unit of `d`, `h`, `m`, `s` or `ms`, each unit at
 * most once and from large to small; or `0` alone.
 * @returns whole milliseconds below 2^53; null for any other text, fractions of a millisecond
 *          and signs included
 */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  let total = 0;
  let smallest = Infinity;
  let offset = 0;
  while (offset < text.length) {
    PART.lastIndex = offset;
    const part = PART.exec(text);
    if (part === null) return null;
    const unit = UNITS.find(([name]) => name === part[2])?.[1] ?? 0;
    if (unit >= smallest) return null;
    smallest = unit;
    // A thousandth of a unit is exact enough: 1.1s is 1100, not 1100.0000000000002.
    const ms = Math.round(Number(part[1]) * unit * 1_000) / 1_000;
    if (!Number.isSafeInteger(ms)) return null;
    total += ms;
    offset = PART.lastIndex;
  }
  return text.length > 0 && Number.isSafeInteger(total) ? total : null;
}

/**
 * Writes `ms` with the largest units that keep it exact: `1h30m`, `500ms`, `0`.
 * @param ms whole milliseconds, >= 0
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  let rest = ms;
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
