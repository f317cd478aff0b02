/**
 * Linked TLS: the TLS part of a snapshot as a worker uses it, per listener and by name.
 *
 * K1  a policy whose settings are the same as in the generation before is the same object: built
 *     contexts stay, whatever else the reload has changed.
 * K2  what is asked per connection or per request costs at most two map lookups, and nothing where
 *     a listener has one policy and no passthrough.
 * K3  of a terminated name and a passthrough the more exact pattern wins, and the terminated one of
 *     equals: a connection is never passed on because of a pattern that is wider than what is
 *     known about its name.
 */

import { isSame } from '../../base/is-same.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { utf8Bytes } from '../../base/utf8.ts';
import type { ListenerSpec } from '../../contract/snapshot.ts';
import type { PassthroughSpec, TlsPolicySpec, TlsSpec } from '../../contract/tls.ts';
import { HostMap } from './host-map.ts';

/** A policy with what is derived from it once. Compare by identity. */
export interface LinkedPolicy {
  readonly spec: TlsPolicySpec;
  /**
   * Digest of all that a context is made of but its certificates; the same in every worker and
   * process for the same settings, whatever the policy is called.
   */
  readonly contextKey: string;
  /** Null: nobody is turned away by fingerprint, and none needs to be computed for it. */
  readonly deniedFingerprints: ReadonlySet<string> | null;
}

/** A passthrough that took a connection. */
export interface LinkedPassthrough {
  readonly spec: PassthroughSpec;
  /** In `tls.passthroughs` of the snapshot. */
  readonly index: number;
}

/** What all listeners have in common. */
interface SharedTls {
  /** As in TlsSpec. */
  readonly handshakesPerAddressMax: number;
  /** Null: no certificate is got on demand. */
  readonly onDemand: HostMap<true> | null;
}

/** TLS of one listener. */
export class ListenerTls {
  /** Of every name that has no other. */
  readonly policy: LinkedPolicy;
  readonly #shared: SharedTls;
  /** Of this listener; null when no name has a policy of its own. */
  readonly #hosts: HostMap<LinkedPolicy> | null;
  readonly #passthroughs: HostMap<LinkedPassthrough> | null;
  readonly #anyPassthrough: LinkedPassthrough | null;
  readonly #hasOnePolicy: boolean;

  constructor(
    shared: SharedTls,
    policy: LinkedPolicy,
    hosts: HostMap<LinkedPolicy> | null,
    passthroughs: HostMap<LinkedPassthrough> | null,
    // oxlint-disable-next-line max-params -- made in one place.
    hasOnePolicy: boolean,
  ) {
    this.#shared = shared;
    this.policy = policy;
    this.#hosts = hosts;
    this.#passthroughs = passthroughs;
    this.#anyPassthrough = passthroughs?.at('*') ?? null;
    this.#hasOnePolicy = hasOnePolicy;
  }

  /** As in TlsSpec. */
  get handshakesPerAddressMax(): number {
    return this.#shared.handshakesPerAddressMax;
  }

  /** True when a certificate for `host` may be got while its client waits. */
  isOnDemand(host: string): boolean {
    const { onDemand } = this.#shared;
    return onDemand !== null && host !== '' && (onDemand.find(host) ?? onDemand.at('*')) === true;
  }

  /** True when every name has the listener's policy: then no request can be misdirected. */
  get hasOnePolicy(): boolean {
    return this.#hasOnePolicy;
  }

  /** @param host lower case, A-labels; empty: the client has said no name */
  policyOf(host: string): LinkedPolicy {
    return this.#hosts?.find(host) ?? this.policy;
  }

  /**
   * The passthrough for connections to `host`, which may be empty.
   * @param hasCertificate whether `host` has a certificate here: then `*` does not take it
   */
  passthroughOf(host: string, hasCertificate: boolean): LinkedPassthrough | null {
    const passthroughs = this.#passthroughs;
    if (passthroughs === null) return null;
    const hosts = this.#hosts;
    if (hosts !== null && hosts.at(host) !== null) return null;
    const exact = passthroughs.at(host);
    if (exact !== null) return exact;
    if (hosts !== null && hosts.wildcardOf(host) !== null) return null;
    const wildcard = passthroughs.wildcardOf(host);
    if (wildcard !== null || hasCertificate || host === '') return wildcard;
    return this.#anyPassthrough;
  }

  /** False: `passthroughOf` has nothing for anybody. */
  get hasPassthroughs(): boolean {
    return this.#passthroughs !== null;
  }
}

export interface LinkedTls {
  readonly spec: TlsSpec;
  readonly policies: readonly LinkedPolicy[];
  /** By listener index; null: without TLS. */
  readonly listeners: readonly (ListenerTls | null)[];
}

/**
 * @param listeners of the same snapshot as `spec`
 * @param previous what is linked now; null at the start
 */
export function linkTls(
  spec: TlsSpec,
  listeners: readonly ListenerSpec[],
  previous: LinkedTls | null,
): LinkedTls {
  const policies = spec.policies.map((policy) => linkPolicy(policy, previous));
  const tls = { spec, policies, shared: linkShared(spec) };
  return {
    spec,
    policies,
    listeners: listeners.map((listener, index) => linkListener(tls, listener, index)),
  };
}

function linkShared({ onDemand, handshakesPerAddressMax }: TlsSpec): SharedTls {
  const patterns = new HostMap<true>();
  for (const pattern of onDemand) patterns.set(pattern, true);
  return { handshakesPerAddressMax, onDemand: patterns.size === 0 ? null : patterns };
}

function linkPolicy(spec: TlsPolicySpec, previous: LinkedTls | null): LinkedPolicy {
  const known = previous?.policies.find((policy) => isSame(policy.spec, spec));
  if (known !== undefined) return known;
  const denied = spec.denyFingerprints;
  return {
    spec,
    contextKey: contextKeyOf(spec),
    deniedFingerprints: denied.length === 0 ? null : new Set(denied),
  };
}

function contextKeyOf(spec: TlsPolicySpec): string {
  const parts = [
    spec.minVersion,
    spec.maxVersion,
    spec.ciphers,
    spec.groups,
    spec.clientAuth,
    spec.clientCas,
    spec.clientCrls,
    spec.sessionTickets,
  ];
  return sha256Hex(utf8Bytes(JSON.stringify(parts))).slice(0, 32);
}

function linkListener(
  tls: Pick<LinkedTls, 'spec' | 'policies'> & { readonly shared: SharedTls },
  listener: ListenerSpec,
  index: number,
): ListenerTls | null {
  const { spec, policies, shared } = tls;
  const policy = policies[listener.tls];
  if (policy === undefined) return null;
  const hosts = new HostMap<LinkedPolicy>();
  let hasOnePolicy = true;
  for (const host of spec.hosts) {
    if (host.listeners !== null && !host.listeners.includes(index)) continue;
    if (host.policy < 0 && hosts.at(host.host) !== null) continue;
    const hostPolicy: LinkedPolicy = policies[host.policy] ?? policy;
    if (hostPolicy !== policy) hasOnePolicy = false;
    hosts.set(host.host, hostPolicy);
  }
  const passthroughs = new HostMap<LinkedPassthrough>();
  for (const [passthroughIndex, passthrough] of spec.passthroughs.entries()) {
    if (passthrough.listeners !== null && !passthrough.listeners.includes(index)) continue;
    const linked = { spec: passthrough, index: passthroughIndex };
    for (const host of passthrough.hosts) passthroughs.set(host, linked);
  }
  return new ListenerTls(
    shared,
    policy,
    hosts.size === 0 ? null : hosts,
    passthroughs.size === 0 ? null : passthroughs,
    hasOnePolicy,
  );
}
