/**
 * Endpoint addresses: turns an endpoint into connect targets, in turn.
 *
 * Names are resolved asynchronously and again after `resolveIntervalMs`; while a resolution runs,
 * or when it fails, the last known addresses keep serving. Concurrent callers share one query.
 */

import type { EndpointSpec } from '../../contract/snapshot.ts';
import type { ConnectTarget, IoBackend } from '../io/backend.ts';

type Done = (target: ConnectTarget | null) => void;

export class EndpointAddresses {
  resolveIntervalMs: number;
  private readonly backend: IoBackend;
  private readonly spec: EndpointSpec;
  private readonly isNumeric: boolean;
  private targets: readonly ConnectTarget[] = [];
  private index = 0;
  private resolvedAtMs = 0;
  private isResolving = false;
  private waiting: Done[] = [];

  constructor(backend: IoBackend, spec: EndpointSpec, resolveIntervalMs: number) {
    this.backend = backend;
    this.spec = spec;
    this.resolveIntervalMs = resolveIntervalMs;
    this.isNumeric = spec.kind === 'unix' || isNumericHost(spec.host);
    if (this.isNumeric) this.targets = [target(spec, spec.host)];
  }

  /** Addresses known; 0 before the first answer. */
  get count(): number {
    return this.targets.length;
  }

  /** Calls `done` with the next target: now when one is known, else when the query ends. */
  next(done: Done): void {
    if (this.isNumeric) {
      done(this.targets[0]!);
      return;
    }
    const isStale = this.backend.nowMs() - this.resolvedAtMs >= this.resolveIntervalMs;
    if (this.targets.length === 0) this.waiting.push(done);
    if (this.targets.length === 0 || isStale) this.resolve();
    if (this.targets.length > 0) done(this.pick());
  }

  private pick(): ConnectTarget {
    this.index = (this.index + 1) % this.targets.length;
    return this.targets[this.index]!;
  }

  private resolve(): void {
    if (this.isResolving) return;
    this.isResolving = true;
    this.backend.resolve(this.spec.host, (addresses) => {
      this.isResolving = false;
      this.resolvedAtMs = this.backend.nowMs();
      if (addresses.length > 0) {
        this.targets = addresses.map((address) => target(this.spec, address));
      }
      const waiting = this.waiting;
      this.waiting = [];
      for (const done of waiting) done(this.targets.length === 0 ? null : this.pick());
    });
  }
}

function target(spec: EndpointSpec, host: string): ConnectTarget {
  return { kind: spec.kind, host, port: spec.port };
}

function isNumericHost(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}
