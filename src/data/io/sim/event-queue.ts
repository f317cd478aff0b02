/**
 * What is going to happen in a simulation: tasks in order of time, equal times in order of entry.
 */

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
}

export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;

  get count(): number {
    return this.#heap.length;
  }

  /** Time of the next task; Infinity when there is none. */
  get nextAtMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  add(atMs: number, task: () => void): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push({ atMs, order: this.#order++, task });
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  /** Removes the next task; null when there is none. */
  take(): (() => void) | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first.task;
    heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at * 2 + 1;
      if (least >= heap.length) break;
      if (least + 1 < heap.length && isBefore(heap[least + 1]!, heap[least]!)) least++;
      if (!isBefore(heap[least]!, heap[at]!)) break;
      swap(heap, at, least);
      at = least;
    }
    return first.task;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

function swap(heap: Entry[], left: number, right: number): void {
  const entry = heap[left]!;
  heap[left] = heap[right]!;
  heap[right] = entry;
}
