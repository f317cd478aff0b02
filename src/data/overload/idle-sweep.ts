/**
 * Idle sweep: finds connections that wait for a further request, to close them in favour of who
 * needs their place.
 *
 * A clock hand over the connections in the order they were accepted: each call goes on where the
 * last one stopped and looks at a bounded number, so an accept under pressure costs the same with
 * ten connections and with ten thousand. The iterator of a Set lives through deletions and
 * additions.
 */

/** A connection that can be asked to make room. */
export interface Idler {
  /** How long nothing came while nothing was in progress; -1 while something is. */
  readonly unusedMs: number;
  /** Closes at once. Only while `unusedMs` is not negative. */
  makeRoom(): void;
}

export class IdleSweep {
  private readonly connections: ReadonlySet<Idler>;
  private hand: Iterator<Idler>;

  constructor(connections: ReadonlySet<Idler>) {
    this.connections = connections;
    this.hand = connections.values();
  }

  /** Closes up to `closeMax` unused ones, the oldest first. @returns how many were closed */
  close(closeMax: number): number {
    const looks = this.connections.size;
    let closed = 0;
    for (let i = 0; i < looks && closed < closeMax; i++) {
      const next = this.next();
      if (next === null) return closed;
      if (next.unusedMs < 0) continue;
      next.makeRoom();
      closed++;
    }
    return closed;
  }

  /**
   * Of the next `lookMax`, closes the one that was unused for longest, if that is `unusedMs` or
   * more: who is in use, with pauses between requests, keeps its place.
   * @returns whether one was closed
   */
  closeLongest(lookMax: number, unusedMs: number): boolean {
    const looks = Math.min(lookMax, this.connections.size);
    let longest: Idler | null = null;
    let longestMs = unusedMs;
    for (let i = 0; i < looks; i++) {
      const next = this.next();
      if (next === null) break;
      const nextMs = next.unusedMs;
      if (nextMs < longestMs) continue;
      longest = next;
      longestMs = nextMs;
    }
    longest?.makeRoom();
    return longest !== null;
  }

  private next(): Idler | null {
    let next = this.hand.next();
    if (next.done === true) {
      this.hand = this.connections.values();
      next = this.hand.next();
    }
    return next.done === true ? null : next.value;
  }
}
