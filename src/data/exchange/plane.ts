/**
 * Plane: what every exchange of one worker shares. The linked snapshot is swapped here, by one
 * assignment.
 */

import { latin1Bytes } from '../../base/ascii.ts';
import type { LimitsSpec } from '../../contract/snapshot.ts';
import type { AccessLog } from '../record/access-log.ts';
import type { IoBackend } from '../io/backend.ts';
import { OverloadLevel } from '../overload/overload-level.ts';
import { Exchange } from './exchange.ts';
import { KeptMemory } from './kept-body.ts';
import type { LinkedSnapshot } from './linked-snapshot.ts';
import type { HttpChallenges } from './route-request.ts';

/** Exchanges kept for reuse. */
const FREE_MAX = 1_024;

export class Plane {
  readonly backend: IoBackend;
  /** This worker's metric cells; the worker is the only writer. */
  readonly cells: Float64Array;
  /** The current generation; what exchanges begun from now on are routed by. */
  linked: LinkedSnapshot;
  accessLog: AccessLog | null = null;
  /** Null while no HTTP-01 challenge is open. */
  httpChallenges: HttpChallenges | null = null;
  /** How short of memory this worker is; set by its tick a few times a second. */
  overloadLevel: OverloadLevel = OverloadLevel.calm;
  /** Called once for some new connections: between two samples many may come. */
  onBurst: () => void = () => {};
  /** Lookups since the last timed one. */
  lookupCount = 0;
  readonly keptMemory = new KeptMemory();
  /** Reports a bug of ours caught by the last resort. */
  readonly reportInternal: (error: unknown) => void;
  private readonly free: Exchange[] = [];
  private readonly idPrefix: string;
  private idCount = 0;
  private dateSecond = 0;
  private date: Uint8Array = new Uint8Array(0);

  constructor(
    backend: IoBackend,
    cells: Float64Array,
    linked: LinkedSnapshot,
    reportInternal: (error: unknown) => void,
  ) {
    this.backend = backend;
    this.cells = cells;
    this.linked = linked;
    this.reportInternal = reportInternal;
    this.idPrefix = Math.floor(backend.random() * 0xffffffff).toString(36);
  }

  /** An exchange with every field at its initial value and room for heads of these limits. */
  acquireExchange(limits: LimitsSpec): Exchange {
    const known = this.free.pop();
    if (known !== undefined && known.hasSizeOf(limits)) return known;
    return new Exchange(this, limits);
  }

  /** Memory is short: keeps no exchange for reuse that is not in use. */
  dropFree(): void {
    this.free.length = 0;
  }

  /** Takes an exchange back. It must have been reset. */
  recycle(exchange: Exchange): void {
    if (this.free.length < FREE_MAX) this.free.push(exchange);
  }

  /** `Date: …\r\n` (RFC 9110 §6.6.1), made once a second. Shared bytes: do not change them. */
  dateLine(): Uint8Array {
    const second = Math.floor(this.backend.wallMs() / 1_000);
    if (second !== this.dateSecond) {
      this.dateSecond = second;
      this.date = latin1Bytes(`Date: ${new Date(second * 1_000).toUTCString()}\r\n`);
    }
    return this.date;
  }

  /** A request id, unique within this proxy's life; made only when somebody will see it. */
  nextRequestId(): string {
    this.idCount++;
    return `${this.idPrefix}-${this.idCount.toString(36)}`;
  }
}
