/**
 * Did-you-mean: the nearest known word, or none when nothing is near enough to be a slip.
 */

/**
 * Damerau-Levenshtein distance in its optimal string alignment form: insertions, deletions,
 * substitutions and swaps of neighbours, each costing one.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/**
 * The candidate nearest to `word`, ignoring case, within a third of its length (at least one
 * edit, at most three). The first of equals wins.
 * @returns null when none is near enough
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  if (word.length > 64) return null; // Nobody mistypes a word that long.
  const lower = word.toLowerCase();
  let bestDistance = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1;
  let best: string | null = null;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance >= bestDistance) continue;
    bestDistance = distance;
    best = candidate;
  }
  return best;
}

/**
 * The hint line for an unknown `word`: the nearest candidate, else all of them when they are few.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const near = nearest(word, candidates);
  if (near !== null) return `did you mean \`${near}\`?`;
  if (candidates.length === 0 || candidates.length > 12) return undefined;
  return `known: ${candidates.join(', ')}`;
}
