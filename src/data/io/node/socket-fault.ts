/**
 * Error codes of sockets as faults of the IO contract (`ConnectionEvents.onClose`).
 */

import { Fault } from '../../../contract/fault.ts';

/**
 * @param code `error.code` of a socket error, such as `ECONNRESET`
 * @param isConnecting the connection had not been established
 */
export function faultOfCode(code: string | undefined, isConnecting: boolean): Fault {
  if (!isConnecting) return Fault.upstreamReset; // RST, broken pipe, or dead by keep-alive.
  if (code === 'ECONNREFUSED') return Fault.connectRefused;
  return Fault.connectFailed; // Unreachable, timed out, no such path, out of descriptors.
}
