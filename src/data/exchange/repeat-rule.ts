/**
 * Which requests may be sent a second time when the origin closed before it answered
 * (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { Method } from '../codec/head.ts';

/** Methods whose repetition changes nothing more than the first did. */
export function isIdempotent(method: Method): boolean {
  return (
    method === Method.get ||
    method === Method.head ||
    method === Method.options ||
    method === Method.put ||
    method === Method.delete
  );
}

/**
 * True when `fault` allows another attempt of a request without a body.
 * @param wasReused the connection had served others: then the origin most likely closed it for
 *        being idle, and every idempotent request may go again; on a fresh one it may have died of
 *        this very request, and only those that ask for nothing to change do
 */
export function mayRepeat(fault: Fault, method: Method, wasReused: boolean): boolean {
  if (FAULTS[fault].retry !== 'reused') return false;
  return wasReused ? isIdempotent(method) : method === Method.get || method === Method.head;
}
