/**
 * Which requests may be sent a second time when the origin closed before it answered.
 *
 * RFC 9110 §9.2.2 would let every idempotent one go again. Ours is stricter: a PUT or DELETE may
 * have had its effect and an answer that was lost, and the second answer would then be another
 * one. Only requests that ask for nothing to change are repeated.
 */

import { Fault, FAULTS } from '../../contract/fault.ts';
import { Method } from '../codec/head.ts';

/** Methods that ask for nothing to change (RFC 9110 §9.2.1) and may pass through here. */
export function isSafe(method: Method): boolean {
  return method === Method.get || method === Method.head || method === Method.options;
}

/** True when `fault` allows another attempt of a request without a body. */
export function mayRepeat(fault: Fault, method: Method): boolean {
  return FAULTS[fault].retry === 'unanswered' && isSafe(method);
}
