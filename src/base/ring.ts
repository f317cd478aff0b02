/**
 * Ring: a bounded first-in first-out queue that allocates nothing in steady state.
 *
 * The storage doubles until it holds `countMax` items and is kept; vacated places are emptied, so
 * the ring never holds on to an item that has left it.
 */

export class Ring<T> {
  #items: (T | undefined)[];
  #mask: number;
  #head = 0;
  #count = 0;
  readonly #countMax: number;

  /**
   * @param countMax most items held at once
   * @param countInitial places made now; rounded up to a power of two
   */
  constructor(countMax: number, countInitial = 8) {
    let capacity = 1;
    while (capacity < countInitial) capacity *= 2;
    this.#items = Array.from<T | undefined>({ length: capacity });
    this.#mask = capacity - 1;
    this.#countMax = countMax;
  }

  /** Items held. */
  get count(): number {
    return this.#count;
  }

  /** Appends `item`. @returns false, and nothing is appended, when the ring is full */
  push(item: T): boolean {
    if (this.#count >= this.#countMax) return false;
    if (this.#count > this.#mask) this.#grow();
    this.#items[(this.#head + this.#count) & this.#mask] = item;
    this.#count++;
    return true;
  }

  /** Removes and returns the oldest item; undefined when empty. */
  shift(): T | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#count--;
    return item;
  }

  /** The oldest item, left in place; undefined when empty. */
  peek(): T | undefined {
    return this.#count === 0 ? undefined : this.#items[this.#head];
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const items = Array.from<T | undefined>({ length: capacity });
    for (let i = 0; i < this.#count; i++) items[i] = this.#items[(this.#head + i) & this.#mask];
    this.#items = items;
    this.#mask = capacity - 1;
    this.#head = 0;
  }
}
