/**
 * Upstream clock: what is due from an endpoint, as the fault that its absence means.
 */

import { Fault } from '../../contract/fault.ts';
import type { TransportSpec } from '../../contract/snapshot.ts';
import type { IoBackend, Timer } from '../io/backend.ts';

export class UpstreamClock {
  /** `Fault.none`: nothing is due, and a timer that fires finds nothing to do. */
  due: Fault = Fault.none;
  private readonly timer: Timer;

  /** @param onOverdue called with what was due */
  constructor(backend: IoBackend, onOverdue: (fault: Fault) => void) {
    this.timer = backend.timer(() => {
      if (this.due !== Fault.none) onOverdue(this.due);
    });
  }

  /** True while the origin should take bytes of a request. */
  get isWrite(): boolean {
    return this.due === Fault.upstreamWriteTimeout;
  }

  /** Starts to wait; a timeout of 0 is none. */
  expect(fault: Fault, transport: TransportSpec): void {
    const timeoutMs = timeoutOf(fault, transport);
    this.due = timeoutMs > 0 ? fault : Fault.none;
    if (timeoutMs > 0) this.timer.set(timeoutMs);
  }

  /** Nothing is due any more. */
  rest(): void {
    this.due = Fault.none;
  }

  stop(): void {
    this.due = Fault.none;
    this.timer.clear();
  }
}

function timeoutOf(fault: Fault, transport: TransportSpec): number {
  switch (fault) {
    case Fault.connectTimeout:
      return transport.connectTimeoutMs;
    case Fault.responseHeadTimeout:
      return transport.responseHeadTimeoutMs;
    case Fault.tunnelIdleTimeout:
      return transport.tunnelIdleTimeoutMs;
    case Fault.upstreamIdleTimeout:
      return transport.idleTimeoutMs;
    default:
      return transport.progressTimeoutMs;
  }
}
