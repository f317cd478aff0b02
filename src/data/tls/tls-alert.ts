/**
 * Alerts as plain records: how a client learns that it is refused before keys exist (RFC 8446 §6).
 */

export const Alert = {
  unexpectedMessage: 10,
  accessDenied: 49,
  decodeError: 50,
  protocolVersion: 70,
  internalError: 80,
  unrecognizedName: 112,
} as const;
export type Alert = (typeof Alert)[keyof typeof Alert];

export const ALERT_SIZE = 7;
const FATAL = 2;

/** Writes a fatal alert of `ALERT_SIZE` bytes at `offset`. */
export function writeAlert(bytes: Uint8Array, offset: number, alert: Alert): void {
  bytes[offset] = 21;
  bytes[offset + 1] = 3;
  bytes[offset + 2] = 3; // RFC 8446 §5.1: 0x0303 in all records but a first hello.
  bytes[offset + 3] = 0;
  bytes[offset + 4] = 2;
  bytes[offset + 5] = FATAL;
  bytes[offset + 6] = alert;
}
