/**
 * Addresses of listening sockets as the supervisor and the proxy process name them.
 */

import type { SocketAddress } from './orders.ts';

/** Who asks for a socket on behalf of the administration instead of a worker. */
export const ADMIN_WORKER = -1;

/** What a listener of a snapshot or of the configuration has. */
export interface NamedAddress {
  readonly name: string;
  readonly kind: 'tcp' | 'unix';
  readonly host: string;
  readonly port: number;
}

/** The address of a listener. Two that let the system choose their port are told apart by name. */
export function listenerAddress({ name, kind, host, port }: NamedAddress): SocketAddress {
  const isChosenLater = kind === 'tcp' && port === 0;
  return isChosenLater ? { kind, host, port, name } : { kind, host, port };
}

/** Equal for equal addresses only. */
export function addressKey({ kind, host, port, name }: SocketAddress): string {
  return `${kind}\n${host}\n${port}\n${name ?? ''}`;
}

/** As a person writes it: `127.0.0.1:80`, `[::1]:80`, `unix:/path`. */
export function addressText({ kind, host, port }: SocketAddress): string {
  if (kind === 'unix') return `unix:${host}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
