/**
 * Error codes of sockets as faults of the IO contract (`ConnectionEvents.onClose`).
 */

import { Fault } from '../../../contract/fault.ts';

/** Of descriptors or kernel memory: this machine's, so it says nothing about the endpoint. */
const OWN_SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/**
 * @param code `error.code` of a socket error, such as `ECONNRESET`
 * @param isConnecting the connection had not been established
 */
export function faultOfCode(code: string | undefined, isConnecting: boolean): Fault {
  if (!isConnecting) return Fault.upstreamReset; // RST, broken pipe, or dead by keep-alive.
  if (code === 'ECONNREFUSED') return Fault.connectRefused;
  if (code !== undefined && isOwnShortage(code)) return Fault.socketLimit;
  return Fault.connectFailed; // Unreachable, timed out, no such path.
}

/** True for the name of a system error that means a shortage of this machine. */
export function isOwnShortage(code: string): boolean {
  return OWN_SHORTAGES.has(code);
}
