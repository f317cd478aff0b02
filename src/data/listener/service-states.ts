/**
 * Service states of one worker by service name, so that requests in progress, budgets, circuits
 * and limits outlive the generation that made them.
 */

import { serviceBase } from '../../contract/metric-layout.ts';
import type { ServiceSpec } from '../../contract/snapshot.ts';
import type { IoBackend } from '../io/backend.ts';
import type { Load } from '../service/service-state.ts';
import { ServiceState } from '../service/service-state.ts';

export class ServiceStates {
  private readonly backend: IoBackend;
  private readonly cells: Float64Array;
  private readonly workerCount: number;
  private readonly states = new Map<string, ServiceState>();

  /** @param cells the worker's metric cells */
  constructor(backend: IoBackend, cells: Float64Array, workerCount: number) {
    this.backend = backend;
    this.cells = cells;
    this.workerCount = workerCount;
  }

  /** The state of that service, made when it is new, configured anew when it is not. */
  state(spec: ServiceSpec, load: Load): ServiceState {
    let state = this.states.get(spec.name);
    if (state === undefined) {
      const { backend, cells, workerCount } = this;
      const metricBase = serviceBase(spec.metricIndex);
      state = new ServiceState({ backend, cells, metricBase, workerCount });
      this.states.set(spec.name, state);
    }
    state.configure(spec, load);
    return state;
  }

  /** Endpoints have changed: those who wait may go on, or must not wait any more. */
  wake(): void {
    for (const state of this.states.values()) state.wake();
  }

  /** Forgets services that are gone; their exchanges in progress go on, without limits. */
  retain(services: readonly ServiceSpec[]): void {
    if (this.states.size === services.length) return; // Each has one, so none is gone.
    const kept = new Set(services.map(({ name }) => name));
    for (const [name, state] of this.states) {
      if (kept.has(name)) continue;
      state.retire();
      this.states.delete(name);
    }
  }
}
