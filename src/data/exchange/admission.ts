/**
 * Admission: what is checked once a route is known and before an endpoint is chosen.
 */

import { Fault } from '../../contract/fault.ts';
import { WorkerCell } from '../../contract/metric-layout.ts';
import { Field } from '../codec/field.ts';
import { Method } from '../codec/head.ts';
import { OverloadLevel, TRICKLE_COUNT } from '../overload/overload-level.ts';
import type { Exchange } from './exchange.ts';

/** Hops of a Max-Forwards field that says nothing. */
export const FORWARDS_UNLIMITED = -1;

/** @returns why the request is refused, or `Fault.none` */
export function admit(exchange: Exchange): Fault {
  const { overloadLevel, cells } = exchange.plane;
  const isRefusing = overloadLevel === OverloadLevel.refusing;
  if (isRefusing && cells[WorkerCell.exchangesInProgress]! > TRICKLE_COUNT) {
    cells[WorkerCell.shed]!++;
    return Fault.overloaded;
  }
  const head = exchange.requestHead;
  const limits = exchange.linked!.limits;
  const hasVia = head.fields.find(Field.via) >= 0;
  if (hasVia && exchange.view.viaHops() >= limits.viaHopsMax) return Fault.loopDetected;
  const isTooLarge = limits.bodySizeMax > 0 && head.contentLength > limits.bodySizeMax;
  return isTooLarge ? Fault.requestBodyTooLarge : Fault.none;
}

/**
 * Counts Max-Forwards of an OPTIONS request down (RFC 9110 §7.6.2).
 * @returns hops the request may still go: 0 means it is ours to answer
 */
export function forwardsLeft(exchange: Exchange): number {
  const fields = exchange.requestHead.fields;
  if (exchange.requestHead.method !== Method.options) return FORWARDS_UNLIMITED;
  const at = fields.find(Field.maxForwards);
  if (at < 0) return FORWARDS_UNLIMITED;
  const hops = Number(fields.valueText(at));
  if (!Number.isInteger(hops) || hops < 0) return FORWARDS_UNLIMITED;
  if (hops > 0) {
    fields.isHop[at] = 1;
    exchange.extraRequestFields += `Max-Forwards: ${hops - 1}\r\n`;
  }
  return hops;
}
