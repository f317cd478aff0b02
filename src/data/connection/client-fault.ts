/**
 * Client fault: what the end of a client connection means for the exchange on it.
 */

import { Fault } from '../../contract/fault.ts';

/** @param fault what the backend gave as its reason */
export function clientFault(fault: Fault): Fault {
  if (fault === Fault.memoryLimit) return fault; // Ours: the client did nothing.
  return fault === Fault.upstreamReset ? Fault.clientReset : Fault.clientClosed;
}
