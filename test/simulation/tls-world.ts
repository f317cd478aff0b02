/**
 * Worlds with TLS: policies, certificates and passthroughs put into a compiled snapshot, and
 * clients that speak the simulated TLS. What configurations mean is tested elsewhere; here it is
 * what the data plane makes of a snapshot.
 */

import type { ListenerSpec, RouteSpec, Snapshot } from '../../src/contract/snapshot.ts';
import type {
  CertificateEntry,
  PassthroughSpec,
  TlsPolicySpec,
  TlsSpec,
  TlsState,
} from '../../src/contract/tls.ts';
import type { SimPeer, SimScript } from '../../src/data/io/sim/sim-peer.ts';
import type { AppSections, WorldOptions } from './world.ts';
import { appToml, compileToml, LISTENER, STILL, World } from './world.ts';

/** Names with certificates in `TLS_STATE`. */
export const NAMES: readonly string[] = ['a.test', 'b.test', '*.wild.test'];

export const TLS_STATE: TlsState = {
  certificates: NAMES.map(certificate),
  challenges: [],
  ticketSecrets: { current: new Uint8Array(32).fill(7), previous: null },
};

export function certificate(name: string): CertificateEntry {
  return {
    id: `id of ${name}`,
    names: [name],
    keyType: 'ecdsa',
    notBeforeMs: 0,
    notAfterMs: 4_000_000_000_000,
    rank: 0,
    chain: new Uint8Array(0),
    key: new Uint8Array(0),
    ocsp: null,
  };
}

export function policy(name: string, changes: Partial<TlsPolicySpec> = {}): TlsPolicySpec {
  return {
    name,
    minVersion: '1.2',
    maxVersion: '1.3',
    ciphers: ['TLS_AES_128_GCM_SHA256'],
    groups: ['X25519'],
    alpn: ['http/1.1'],
    clientAuth: 'none',
    clientCas: [],
    clientCrls: [],
    unknownName: 'refuse',
    noName: 'default',
    defaultCertificate: '',
    sessionTickets: true,
    denyFingerprints: [],
    handshakeTimeoutMs: 10_000,
    ...changes,
  };
}

export function passthrough(changes: Partial<PassthroughSpec> = {}): PassthroughSpec {
  return {
    name: 'db',
    hosts: ['db.test'],
    listeners: null,
    service: 0,
    streamsOnChangeMs: -1,
    metricIndex: 1,
    ...changes,
  };
}

export interface TlsChanges {
  readonly tls?: Partial<TlsSpec>;
  /** Of the first listener, which has the first policy unless this says otherwise. */
  readonly listener?: Partial<ListenerSpec>;
  /** Of the first route. */
  readonly route?: Partial<RouteSpec>;
  readonly service?: Partial<Snapshot['services'][number]>;
  /** The endpoints of the first service speak TLS. */
  readonly isUpstreamTls?: boolean;
}

/** A snapshot in which TLS is as `changes` say. */
export function withTls(snapshot: Snapshot, changes: TlsChanges = {}): Snapshot {
  const { tls = {}, listener = {}, route = {}, service = {}, isUpstreamTls = false } = changes;
  const [firstListener, ...listeners] = snapshot.listeners;
  const [firstRoute, ...routes] = snapshot.routes;
  const [firstService, ...services] = snapshot.services;
  const endpoints = firstService!.endpoints.map((one) => ({ ...one, isTls: isUpstreamTls }));
  return {
    ...snapshot,
    listeners: [{ ...firstListener!, tls: 0, ...listener }, ...listeners],
    routes: firstRoute === undefined ? [] : [{ ...firstRoute, ...route }, ...routes],
    services: [{ ...firstService!, endpoints, ...service }, ...services],
    tls: {
      policies: [policy('default')],
      hosts: [],
      passthroughs: [],
      handshakesPerAddressMax: 0,
      onDemand: [],
      ...tls,
    },
  };
}

/** A world of one route to one service, whose listener has TLS unless `changes` say otherwise. */
export async function openTlsWorld(
  changes: TlsChanges = {},
  sections: AppSections = {},
  options: WorldOptions = {},
): Promise<World> {
  const snapshot = withTls(await compileToml(appToml(sections)), changes);
  return new World(snapshot, { ...STILL, tls: TLS_STATE, ...options });
}

export interface TlsClientOptions {
  /** Empty: none is said. */
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** It has a certificate to show. */
  readonly hasCertificate?: boolean;
  readonly script?: SimScript;
  readonly address?: string;
}

/** Opens a connection with TLS and sends `bytes` on it. Its handshake has ended at the return. */
export function tlsClient(world: World, bytes = '', options: TlsClientOptions = {}): SimPeer {
  const peer = beginTls(world, options);
  if (bytes !== '') peer.send(bytes);
  world.advance(world.sim.handshakeMs);
  return peer;
}

/** Opens a connection with TLS; its hello is on the way, and nothing has happened yet. */
export function beginTls(world: World, options: TlsClientOptions = {}): SimPeer {
  const { serverName = 'a.test', alpn = ['http/1.1'], hasCertificate = false } = options;
  const context = world.sim.clientTls({
    verify: true,
    cas: [],
    cert: hasCertificate ? 'certificate' : '',
    key: '',
    pins: [],
    minVersion: '1.2',
  });
  if (typeof context === 'string') throw new Error(context);
  const tls = { context, serverName, alpn };
  return world.sim.connectClient(options.address ?? LISTENER, options.script ?? {}, tls);
}
