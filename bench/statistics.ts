/** The little arithmetic of the harness. Pure; an empty input gives NaN, never a throw. */

/** Middle value; the mean of the two middle ones when their count is even. NaN when empty. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Nearest-rank quantile, `fraction` in 0..1. NaN when empty. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** (largest - smallest) / median: how far the rounds lie apart. NaN when empty. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** The list starting at `offset`, wrapped around, so that no peer always goes first. */
export function rotate<T>(items: readonly T[], offset: number): T[] {
  const at = items.length === 0 ? 0 : offset % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
