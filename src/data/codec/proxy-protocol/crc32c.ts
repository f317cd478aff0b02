/**
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4), which guards a PROXY header of version 2.
 */

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  return crc;
});

/**
 * Checksum of `bytes[start, end)`, in which four bytes from `zeroAt` on count as zeros: where the
 * checksum itself stands; -1: none.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, zeroAt: number): number {
  let crc = 0xffff_ffff;
  for (let i = start; i < end; i++) {
    const isZero = zeroAt >= 0 && i >= zeroAt && i < zeroAt + 4;
    crc = (crc >>> 8) ^ TABLE[(crc ^ (isZero ? 0 : bytes[i]!)) & 0xff]!;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
