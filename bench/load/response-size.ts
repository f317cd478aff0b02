/** Framing for the harness's own clients: how long a response with a Content-Length is. */

/**
 * Size of head and body together, in bytes.
 * @returns -1 while the head is not complete
 * @throws when the head has no Content-Length, which no origin of the harness sends
 */
export function responseSize(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return -1;
  const match = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, end));
  if (match === null) throw new Error('a response without Content-Length');
  return end + 4 + Number(match[1]);
}
