/**
 * Hexadecimal digits as a table: one load instead of a chain of comparisons.
 */

/** Value of an ASCII hexadecimal digit (either case) by byte, 255 for every other byte. */
export const HEX_VALUE: Uint8Array = makeHexValue();

/** Byte of the upper-case hexadecimal digit by value 0 to 15. */
export const HEX_UPPER: Uint8Array = Uint8Array.from('0123456789ABCDEF', (c) => c.charCodeAt(0));

function makeHexValue(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 10; digit++) table[0x30 + digit] = digit;
  for (let digit = 10; digit < 16; digit++) {
    table[0x41 + digit - 10] = digit;
    table[0x61 + digit - 10] = digit;
  }
  return table;
}
