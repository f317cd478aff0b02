/**
 * Idle sweep: finds connections that wait for a further request, to close them in favour of who
 * needs their place.
 *
 * A clock hand over the connections in the order they were accepted: each call goes on where the
 * last one stopped and looks at a bounded number, so an accept under pressure costs the same with
 * ten connections and with ten thousand, and the oldest come first. The iterator of a Set lives
 * through deletions and additions.
 */

/** A connection that can be asked to make room. */
export interface Idler {
  /** Closes at once if nothing is in progress and nothing came for `idleMs`. @returns whether so */
  closeIfUnused(idleMs: number): boolean;
}

export class IdleSweep {
  private readonly connections: ReadonlySet<Idler>;
  private hand: Iterator<Idler>;

  constructor(connections: ReadonlySet<Idler>) {
    this.connections = connections;
    this.hand = connections.values();
  }

  /**
   * Looks at `lookMax` connections, at most all of them once, and closes up to `closeMax` that
   * have been idle for `idleMs`.
   * @returns how many were closed
   */
  close(closeMax: number, lookMax: number, idleMs: number): number {
    const looks = Math.min(lookMax, this.connections.size);
    let closed = 0;
    for (let i = 0; i < looks && closed < closeMax; i++) {
      let next = this.hand.next();
      if (next.done === true) {
        this.hand = this.connections.values();
        next = this.hand.next();
        if (next.done === true) return closed;
      }
      if (next.value.closeIfUnused(idleMs)) closed++;
    }
    return closed;
  }
}
