/**
 * Growing arrays of numbers: typed arrays with room at the end. What was read as a copy never
 * changes when more is added.
 */

const SIZE_MIN = 64;

class Growing<Values extends Int32Array | Uint8Array> {
  size = 0;
  readonly #make: (size: number) => Values;
  #values: Values;

  /** @param make zeroed values */
  constructor(make: (size: number) => Values) {
    this.#make = make;
    this.#values = make(SIZE_MIN);
  }

  get(index: number): number {
    return this.#values[index]!;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  push(value: number): void {
    if (this.size === this.#values.length) this.#grow(this.size + 1);
    this.#values[this.size++] = value;
  }

  /** Adds `count` zeroes. */
  reserve(count: number): void {
    if (this.size + count > this.#values.length) this.#grow(this.size + count);
    this.size += count;
  }

  copy(): Values {
    return this.#values.slice(0, this.size) as Values;
  }

  #grow(needed: number): void {
    const values = this.#make(Math.max(needed, this.#values.length * 2));
    values.set(this.#values);
    this.#values = values;
  }
}

/** 32-bit integers. */
export class GrowingInts extends Growing<Int32Array> {
  constructor() {
    super((size) => new Int32Array(size));
  }
}

/** Bytes. */
export class GrowingBytes extends Growing<Uint8Array> {
  constructor() {
    super((size) => new Uint8Array(size));
  }
}
