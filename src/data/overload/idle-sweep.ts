/**
 * Idle sweep: finds connections that wait for a further request, to close them in favour of who
 * needs their place.
 *
 * I1  a search for one looks at a bounded number and moves those to the end of the set, so that
 *     the next search looks at others: an accept under pressure costs the same with ten
 *     connections and with ten thousand.
 * I2  no iterator outlives a call: one that stands still keeps every connection that was ever in
 *     the set since then.
 */

/** A connection that can be asked to make room. */
export interface Idler {
  /** How long nothing came while nothing was in progress; -1 while something is. */
  readonly unusedMs: number;
  /** Closes at once. Only while `unusedMs` is not negative. */
  makeRoom(): void;
}

export class IdleSweep<Connection extends Idler> {
  private readonly connections: Set<Connection>;
  private readonly looked: Connection[] = [];

  /** @param connections in order of age at first; I1 changes the order */
  constructor(connections: Set<Connection>) {
    this.connections = connections;
  }

  /** Closes up to `closeMax` unused ones, the first of the set first. @returns how many */
  close(closeMax: number): number {
    let closed = 0;
    for (const connection of this.connections) {
      if (closed >= closeMax) break;
      if (connection.unusedMs < 0) continue;
      connection.makeRoom();
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
    const { connections, looked } = this;
    let longest: Connection | null = null;
    let longestMs = unusedMs;
    for (const connection of connections) {
      if (looked.length >= lookMax) break;
      looked.push(connection);
      const nextMs = connection.unusedMs;
      if (nextMs < longestMs) continue;
      longest = connection;
      longestMs = nextMs;
    }
    for (const connection of looked) {
      connections.delete(connection);
      connections.add(connection);
    }
    looked.length = 0;
    longest?.makeRoom();
    return longest !== null;
  }
}
