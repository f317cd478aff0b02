/** Deoptimisations from V8's --trace-deopt output. Pure. */

export interface Deopt {
  readonly name: string;
  readonly kind: string;
  readonly reason: string;
  readonly count: number;
}

const LINE =
  /\[bailout \(kind: ([^,]+), reason: (.*?)\): begin\. deoptimizing \S+ <JSFunction ?(\S*)/g;

/**
 * Counts by function, kind and reason, most frequent first. A bailout that only enters code
 * optimised a moment ago (`prepare for on stack replacement`) is not a deoptimisation.
 */
export function countDeopts(trace: string): Deopt[] {
  const counts = new Map<string, Deopt>();
  for (const [, kind, reason, text] of trace.matchAll(LINE)) {
    if (reason!.includes('on stack replacement')) continue;
    const name = text === '' || text!.startsWith('(sfi') ? '(anonymous)' : text!;
    const key = `${name}\n${kind}\n${reason}`;
    const count = (counts.get(key)?.count ?? 0) + 1;
    counts.set(key, { name, kind: kind!, reason: reason!, count });
  }
  return [...counts.values()].toSorted((a, b) => b.count - a.count);
}
