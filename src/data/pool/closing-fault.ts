/**
 * Closing fault: what the end of an upstream connection means for the attempt on it.
 */

import { Fault } from '../../contract/fault.ts';

/** How far the connection was. */
export interface ClosingPoint {
  readonly isConnecting: boolean;
  readonly isTunnel: boolean;
  /** A byte of the response has arrived. */
  readonly hasResponseBytes: boolean;
}

/** @param fault what the backend gave as its reason */
export function closingFault(fault: Fault, at: ClosingPoint): Fault {
  if (at.isConnecting) {
    return fault === Fault.none || fault === Fault.aborted ? Fault.connectFailed : fault;
  }
  if (fault === Fault.memoryLimit) return fault; // Ours: the origin did nothing.
  if (at.isTunnel) return fault === Fault.none ? Fault.none : Fault.upstreamReset;
  if (at.hasResponseBytes) return Fault.responseTruncated;
  return fault === Fault.upstreamReset ? Fault.upstreamReset : Fault.upstreamClosed;
}
