/**
 * Policies, certificates and workers for the tests of this room.
 */

import { METRIC_CELLS } from '../../contract/metric-layout.ts';
import { FAULT_INDEX_MAX } from '../../contract/fault.ts';
import type { ListenerSpec } from '../../contract/snapshot.ts';
import type { CertificateEntry, TlsPolicySpec, TlsSpec, TlsState } from '../../contract/tls.ts';
import { NO_TLS } from '../../contract/tls.ts';
import { WorkerCell } from '../../contract/metric-layout.ts';
import { linkTls } from './linked-tls.ts';
import type { LinkedPolicy, ListenerTls } from './linked-tls.ts';

export function policySpec(changes: Partial<TlsPolicySpec> = {}): TlsPolicySpec {
  return {
    name: 'default',
    minVersion: '1.2',
    maxVersion: '1.3',
    ciphers: ['TLS_AES_128_GCM_SHA256'],
    groups: ['X25519'],
    alpn: ['http/1.1'],
    clientAuth: 'none',
    clientCas: [],
    clientCrls: [],
    unknownName: 'refuse',
    noName: 'refuse',
    defaultCertificate: '',
    sessionTickets: true,
    denyFingerprints: [],
    handshakeTimeoutMs: 10_000,
    ...changes,
  };
}

export function listenerSpec(changes: Partial<ListenerSpec> = {}): ListenerSpec {
  return {
    name: 'secure',
    kind: 'tcp',
    host: '127.0.0.1',
    port: 443,
    trustedProxies: [],
    tls: 0,
    proxyProtocol: null,
    metricIndex: 0,
    ...changes,
  };
}

export function tlsSpec(changes: Partial<TlsSpec> = {}): TlsSpec {
  return { ...NO_TLS, policies: [policySpec()], ...changes };
}

/** The one listener of a snapshot with this TLS. */
export function listenerTls(spec: TlsSpec): ListenerTls {
  return linkTls(spec, [listenerSpec()], null).listeners[0]!;
}

export function linkedPolicy(changes: Partial<TlsPolicySpec> = {}): LinkedPolicy {
  return linkTls(tlsSpec({ policies: [policySpec(changes)] }), [], null).policies[0]!;
}

/** Valid from 1,000 to 2,000 ms. */
export function certificate(
  id: string,
  names: readonly string[],
  changes: Partial<CertificateEntry> = {},
): CertificateEntry {
  return {
    id,
    names,
    keyType: 'ecdsa',
    notBeforeMs: 1_000,
    notAfterMs: 2_000,
    rank: 0,
    chain: new Uint8Array(1),
    key: new Uint8Array(1),
    ocsp: null,
    ...changes,
  };
}

export function tlsState(changes: Partial<TlsState> = {}): TlsState {
  const ticketSecrets = { current: new Uint8Array(32).fill(1), previous: null };
  return { certificates: [], challenges: [], ticketSecrets, ...changes };
}

export function metricCells(): Float64Array {
  return new Float64Array(METRIC_CELLS);
}

/** Counted faults: number by fault. */
export function faultsOf(cells: Float64Array): { [fault: number]: number } {
  const faults: { [fault: number]: number } = {};
  for (let fault = 0; fault < FAULT_INDEX_MAX; fault++) {
    const count = cells[WorkerCell.faults + fault]!;
    if (count > 0) faults[fault] = count;
  }
  return faults;
}
