/**
 * Ambient types of the pure rooms, which compile without Node's: a Buffer is only named there,
 * as a byte array that is cut into views; it is made by a backend.
 */

interface Buffer extends Uint8Array<ArrayBuffer> {
  equals(other: Uint8Array): boolean;
  subarray(start?: number, end?: number): Buffer;
}
