/**
 * Recording: counts an exchange and, when the access log is on, writes its record. The write side
 * only; who reads is on the other plane.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import { Fault, FAULTS } from '../../contract/fault.ts';
import {
  RouteCell,
  ROUTE_NONE_INDEX,
  ServiceCell,
  WorkerCell,
} from '../../contract/metric-layout.ts';
import { routeBase, statusClass } from '../../contract/metric-layout.ts';
import { Field } from '../codec/field.ts';
import type { AccessRecord, ByteRange } from '../record/access-record.ts';
import { observe } from '../record/observe.ts';
import type { Router } from '../route/router.ts';
import type { ClientSecurity } from './client-security.ts';
import type { Exchange } from './exchange.ts';

/** One lookup in this many is timed: reading the clock costs as much as the lookup. */
const LOOKUP_SAMPLE = 64;
const NO_ROUTE_BASE = routeBase(ROUTE_NONE_INDEX);

/**
 * Finds the route, timing a sample of the lookups.
 * @returns index of the route, or -1
 */
export function recordLookup(exchange: Exchange, router: Router): number {
  const plane = exchange.plane;
  plane.lookupCount = (plane.lookupCount + 1) % LOOKUP_SAMPLE;
  if (plane.lookupCount !== 0) return router.match(exchange.view);
  const startMs = plane.backend.nowMs();
  const index = router.match(exchange.view);
  const tookNs = (plane.backend.nowMs() - startMs) * 1_000_000;
  observe(plane.cells, WorkerCell.routeLookupNs, tookNs);
  return index;
}

/** Copies what the log will want of the head, which is gone when the exchange ends. */
export function keepForLog(exchange: Exchange): void {
  const head = exchange.requestHead;
  const size = head.end - head.start;
  if (exchange.logBytes.length < size) exchange.logBytes = new Uint8Array(size * 2);
  for (let i = 0; i < size; i++) exchange.logBytes[i] = head.bytes[head.start + i]!;
  exchange.logShift = head.start;
  exchange.isKeptForLog = true;
  exchange.view.keepPath();
  exchange.view.clientAddress();
}

/** Counts the end of an exchange; called once, before it is recycled. */
export function recordEnd(exchange: Exchange): void {
  const plane = exchange.plane;
  const cells = plane.cells;
  const base = exchange.route === null ? NO_ROUTE_BASE : exchange.route.metricBase;
  const durationUs = (plane.backend.nowMs() - exchange.startMs) * 1_000;
  cells[base + RouteCell.requests + statusClass(exchange.statusCode)]!++;
  const head = exchange.requestHead;
  const headSize = head.end > 0 ? head.end - head.start : 0; // 0: it was never complete.
  cells[base + RouteCell.receivedBytes]! += exchange.requestBytes + headSize;
  cells[base + RouteCell.sentBytes]! += exchange.stream!.sentBytes;
  observe(cells, base + RouteCell.durationUs, durationUs);
  if (exchange.fault !== Fault.none) countFault(exchange, cells);
  // The log may have been switched on meanwhile: what it needs of the head is gone then.
  if (plane.accessLog === null || (head.end > 0 && !exchange.isKeptForLog)) return;
  fillRecord(exchange, plane.accessLog.record, durationUs);
  plane.accessLog.encode();
}

function countFault(exchange: Exchange, cells: Float64Array): void {
  const fault = exchange.fault;
  cells[WorkerCell.faults + fault]!++;
  const isRefused = fault === Fault.queueFull || fault === Fault.queueTimeout;
  const isUnavailable = isRefused || fault === Fault.noEndpoint || fault === Fault.circuitOpen;
  if (isUnavailable && exchange.route !== null) {
    cells[exchange.route.service.metricBase + ServiceCell.unavailable]!++;
  }
}

function fillRecord(exchange: Exchange, record: AccessRecord, durationUs: number): void {
  const plane = exchange.plane;
  const head = exchange.requestHead;
  const view = exchange.view;
  record.wallMs = plane.backend.wallMs();
  record.durationUs = durationUs;
  record.status = exchange.statusCode;
  record.sentBytes = exchange.responseBytes;
  record.receivedBytes = exchange.requestBytes;
  record.attempts = exchange.attemptCount;
  record.generation = exchange.linked!.generation;
  record.clientAddress = view.clientAddress();
  record.protocol = head.versionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  record.listener = exchange.linked!.snapshot.listeners[view.listenerIndex]?.name ?? '';
  if (exchange.route !== null) {
    record.route = exchange.route.name;
    record.service = exchange.route.service.name;
  }
  if (exchange.endpoint !== null) record.endpoint = exchange.endpoint.spec.key;
  if (exchange.fault !== Fault.none) record.fault = FAULTS[exchange.fault].label;
  record.host.set(view.hostBytes, 0, view.hostEnd);
  record.path.set(view.pathBytes, view.pathStart, view.pathEnd);
  if (exchange.requestId !== '') {
    const id = latin1Bytes(exchange.requestId);
    record.requestId.set(id, 0, id.length);
  }
  const { security } = view.peer!;
  if (security !== null) fillFromSecurity(security, record);
  if (exchange.opening !== null) exchange.opening.describe(record);
  if (head.end > 0) fillFromHead(exchange, record);
}

function fillFromSecurity(security: ClientSecurity, record: AccessRecord): void {
  record.isTls = true;
  record.tlsVersion = security.info.version;
  record.tlsCipher = security.info.cipher;
  record.serverName = security.serverName;
  record.fingerprint = security.fingerprint;
}

/** Ranges of the kept copy of the head. */
function fillFromHead(exchange: Exchange, record: AccessRecord): void {
  const head = exchange.requestHead;
  const shift = exchange.logShift;
  const bytes = exchange.logBytes;
  record.method.set(bytes, head.methodStart - shift, head.methodEnd - shift);
  if (head.queryStart >= 0) {
    record.query.set(bytes, head.queryStart - shift, head.queryEnd - shift);
  }
  fillField(exchange, Field.userAgent, record.userAgent);
  fillField(exchange, Field.referer, record.referer);
}

function fillField(exchange: Exchange, id: number, range: ByteRange): void {
  const fields = exchange.requestHead.fields;
  const at = fields.find(id);
  if (at < 0) return;
  const shift = exchange.logShift;
  range.set(exchange.logBytes, fields.valueStart[at]! - shift, fields.valueEnd[at]! - shift);
}
