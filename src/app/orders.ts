/**
 * Orders: what supervisor and proxy process say to each other over IPC.
 */

import type { InheritedSocket } from '../contract/message.ts';
import type { Config } from '../control/config/config.ts';

/** Supervisor to proxy process. */
export type ToProxy =
  | {
      readonly type: 'start';
      /** The last good configuration: a file that broke since does not matter. */
      readonly config: Config;
      readonly workers: number;
      readonly sockets: readonly InheritedSocket[];
      /** How often the proxy process has been restarted. */
      readonly restarts: number;
    }
  | { readonly type: 'drain' }
  | { readonly type: 'abort' }
  | { readonly type: 'reopen-logs' };

/** Proxy process to supervisor. */
export type FromProxy =
  | { readonly type: 'ready' }
  /** The configuration cannot be served; starting again would not help. */
  | { readonly type: 'refused' };
