/**
 * Growing arrays of numbers: typed arrays with room at the end. What was read as a copy never
 * changes when more is added.
 */

/** 32-bit integers. */
export class GrowingInts {
  size = 0;
  #values = new Int32Array(64);

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

  copy(): Int32Array {
    return this.#values.slice(0, this.size);
  }

  #grow(needed: number): void {
    const values = new Int32Array(Math.max(needed, this.#values.length * 2));
    values.set(this.#values);
    this.#values = values;
  }
}

/** Bytes. */
export class GrowingBytes {
  size = 0;
  #values = new Uint8Array(64);

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

  copy(): Uint8Array {
    return this.#values.slice(0, this.size);
  }

  #grow(needed: number): void {
    const values = new Uint8Array(Math.max(needed, this.#values.length * 2));
    values.set(this.#values);
    this.#values = values;
  }
}
