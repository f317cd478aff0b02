/**
 * How one list of named nodes differs from another: what is new, gone, different, moved.
 *
 * Nodes that are the same object cost a comparison of references, so a reload that hands over
 * what it did not change costs little for any number of nodes.
 */

interface Named {
  readonly name: string;
}

export interface NodeDiff {
  /** By index in the new list: the index in the old one, -1 for a new node. */
  readonly origins: Int32Array;
  /** Indexes in the new list of nodes that were there, but different. */
  readonly edited: readonly number[];
  /** Indexes in the old list of nodes that are gone. */
  readonly removed: readonly number[];
  /** Nodes that both have stand in another order. */
  readonly isReordered: boolean;
}

/**
 * @param before  names are unique, as in `after`
 * @param isEqual asked for nodes of one name that are two objects
 */
export function diffNodes<Node extends Named>(
  before: readonly Node[],
  after: readonly Node[],
  isEqual: (before: Node, after: Node) => boolean,
): NodeDiff {
  const origins = new Int32Array(after.length);
  const edited: number[] = [];
  const compare = (old: number, index: number): void => {
    origins[index] = old;
    if (before[old] !== after[index] && !isEqual(before[old]!, after[index]!)) edited.push(index);
  };
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && isOneName(before[start]!, after[start]!)) compare(start, start++);
  let tail = 0;
  while (
    tail < shorter - start &&
    isOneName(before[before.length - 1 - tail]!, after[after.length - 1 - tail]!)
  ) {
    tail++;
    compare(before.length - tail, after.length - tail);
  }
  // What is left in between is looked up by name.
  const known = new Map<string, number>();
  for (let old = start; old < before.length - tail; old++) known.set(before[old]!.name, old);
  let isReordered = false;
  let last = -1;
  for (let index = start; index < after.length - tail; index++) {
    const old = known.get(after[index]!.name);
    if (old === undefined) {
      origins[index] = -1;
      continue;
    }
    known.delete(after[index]!.name);
    compare(old, index);
    if (old < last) isReordered = true;
    last = old;
  }
  return { origins, edited, removed: [...known.values()], isReordered };
}

function isOneName(a: Named, b: Named): boolean {
  return a === b || a.name === b.name;
}
