/**
 * Outcome: what the end of an exchange says about its service, for the circuit breaker. A fault
 * of the client, or of the proxy, says nothing.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { Outcome } from '../service/circuit-breaker.ts';
import type { Exchange } from './exchange.ts';

/** Judges `exchange` at its end, or when its response head is there. */
export function outcomeOf(exchange: Exchange): Outcome {
  const { fault, statusCode } = exchange;
  if (fault === Fault.none) {
    const { faultStatuses } = exchange.route!.service;
    return faultStatuses[statusCode] === 1 ? Outcome.bad : Outcome.good;
  }
  if (FAULTS[fault].origin === 'upstream') return Outcome.bad;
  // The total time is the client's too as long as it still sends.
  const isSlow = fault === Fault.requestTimeout && exchange.stream!.isRequestComplete;
  return isSlow ? Outcome.bad : Outcome.unknown;
}
