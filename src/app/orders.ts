/**
 * Orders: what supervisor and proxy process say to each other over IPC.
 *
 * The supervisor owns every listening socket. A proxy process asks for descriptors by address and
 * worker; it may ask again (a worker was replaced), and a second process (an upgrade) asks for the
 * same ones. Whatever proxy processes do, an address that is configured stays open.
 */

import type { SavedFile, TakenBack } from '../control/apply/reload-outcome.ts';
import type { Config } from '../control/config/config.ts';

/** What identifies a listening socket: the same address is the same socket, whatever its name. */
export interface SocketAddress {
  readonly kind: 'tcp' | 'unix';
  readonly host: string;
  readonly port: number;
  /** Tells addresses apart whose port the system chooses; absent for all others. */
  readonly name?: string;
}

/** What a proxy process takes over from the one before it. */
export interface Heritage {
  /** The last good configuration: a file that broke since does not matter. */
  readonly config: Config;
  /** Path of the main file, for reloads; empty when there is none. */
  readonly configPath: string;
  /** Its files as they were when they were good, the main one first; without secrets. */
  readonly files: readonly SavedFile[];
  readonly generation: number;
  /** Files that a rollback took back, and that have not changed since. */
  readonly takenBack: TakenBack | null;
  /** Endpoints an operator is draining, as `endpointId`. */
  readonly draining: readonly string[];
  /** Null: no process has made any yet. */
  readonly tickets: TicketHeritage | null;
}

/**
 * The heritage as a process says it. `config` null: the one that it started with or said last; with
 * thousands of certificates it is large.
 */
export type HeritageChange = Omit<Heritage, 'config'> & { readonly config: Config | null };

/** Secrets of session tickets, as TicketSecrets, in hex: never on a disk. */
export interface TicketHeritage {
  readonly current: string;
  readonly previous: string | null;
}

export interface DrainChanges {
  readonly drained: readonly string[];
  readonly undrained: readonly string[];
}

/** Supervisor to proxy process. */
export type ToProxy =
  | {
      readonly type: 'start';
      readonly heritage: Heritage;
      /** Version of the program that made it. Another one reads the texts of its files. */
      readonly heritageVersion: string;
      readonly workers: number;
      /** How often a proxy process has been started after one that died, and why the last did. */
      readonly restarts: number;
      readonly upgrades: number;
    }
  /** Answer to `want-socket`; the handle comes with the message. */
  | { readonly type: 'socket'; readonly id: number; readonly port: number }
  | { readonly type: 'socket-failed'; readonly id: number; readonly message: string }
  /**
   * `since`: endpoints, as `endpointId`, that an operator drained or took back while this process
   * was starting.
   */
  | { readonly type: 'reload'; readonly since?: DrainChanges }
  /** Say `heritage` now: an upgrade is about to begin. */
  | { readonly type: 'hand-over' }
  /** How the upgrade this process asked for ended; null: well, `drain` follows. */
  | { readonly type: 'upgraded'; readonly problem: string | null }
  /** Answer to `close-listeners`. */
  | { readonly type: 'listeners-closed' }
  /** `hasSuccessor`: another process accepts from the same sockets already. */
  | { readonly type: 'drain'; readonly hasSuccessor: boolean }
  | { readonly type: 'abort' }
  | { readonly type: 'reopen-logs' };

/** Proxy process to supervisor. */
export type FromProxy =
  /** Serves; the supervisor lets the process before it drain. */
  | { readonly type: 'ready' }
  /** The configuration cannot be served; starting again would not help. */
  | { readonly type: 'refused'; readonly message: string }
  | {
      readonly type: 'want-socket';
      readonly id: number;
      readonly address: SocketAddress;
      readonly worker: number;
    }
  /** Addresses that are configured now; sockets of all others may be closed. */
  | { readonly type: 'addresses'; readonly addresses: readonly SocketAddress[] }
  /**
   * Accepting is about to end: the supervisor closes its sockets if the proxy as a whole stops, so
   * that the workers' descriptors are the last ones, and answers `listeners-closed` either way.
   */
  | { readonly type: 'close-listeners' }
  /** What a successor should start with. */
  | { readonly type: 'heritage'; readonly heritage: HeritageChange; readonly version: string }
  | { readonly type: 'upgrade' }
  /** The reload that was ordered is over, whatever its outcome. */
  | { readonly type: 'reloaded' }
  /** Still alive, for the watchdog of systemd. */
  | { readonly type: 'alive' };
