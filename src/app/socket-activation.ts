/**
 * Socket activation: listening sockets that were open before this process started, as systemd
 * hands them over (sd_listen_fds(3)). Descriptors from number 3 on; LISTEN_FDS says how many, and
 * LISTEN_PID for which process they are meant.
 */

import { readFileSync, readlinkSync } from 'node:fs';

import { handleOfDescriptor } from './bound-socket.ts';
import type { SocketHandle } from './bound-socket.ts';
import type { SocketAddress } from './orders.ts';
import type { PassedSocket } from './socket-broker.ts';

const FIRST_FD = 3;
const UNIX_TABLE = '/proc/net/unix';

/** What `passedSockets` reads of the world; tests bring their own. */
export interface ActivationWorld {
  readonly pid: number;
  readonly handleOf: (fd: number) => SocketHandle;
  /** Path of a unix socket; null when it has none. */
  readonly pathOf: (fd: number) => string | null;
}

const WORLD: ActivationWorld = { pid: process.pid, handleOf: handleOfDescriptor, pathOf };

/**
 * The sockets passed in to this process; none when it was not started that way.
 * @returns also a sentence for each that cannot be used
 */
export function passedSockets(
  env: NodeJS.ProcessEnv,
  world: ActivationWorld = WORLD,
): { readonly sockets: readonly PassedSocket[]; readonly problems: readonly string[] } {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  const sockets: PassedSocket[] = [];
  const problems: string[] = [];
  if (Number(env['LISTEN_PID'] ?? 0) !== world.pid) return { sockets, problems };
  for (let fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
    const socket = passedSocket(fd, world);
    if (socket !== null) sockets.push(socket);
    else problems.push(`descriptor ${fd} was passed in, but is no stream socket with an address`);
  }
  return { sockets, problems };
}

function passedSocket(fd: number, world: ActivationWorld): PassedSocket | null {
  try {
    const handle = world.handleOf(fd);
    const address = addressOf(fd, handle, world);
    return address === null ? null : { address, handle };
  } catch {
    return null; // A datagram socket, a file, or nothing at all.
  }
}

function addressOf(fd: number, handle: SocketHandle, world: ActivationWorld): SocketAddress | null {
  if (handle.getsockname !== undefined) {
    const out: { address?: string; port?: number } = {};
    if (handle.getsockname(out) !== 0) return null;
    return { kind: 'tcp', host: out.address!, port: out.port! };
  }
  const path = world.pathOf(fd);
  return path === null ? null : { kind: 'unix', host: path, port: 0 };
}

/** Node does not tell the path of a unix socket; the kernel does, by inode. */
function pathOf(fd: number): string | null {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  if (inode === undefined) return null;
  return unixPath(readFileSync(UNIX_TABLE, 'utf8'), inode);
}

/** @param table text of /proc/net/unix: the seventh column is the inode, the eighth the path */
export function unixPath(table: string, inode: string): string | null {
  for (const line of table.split('\n')) {
    const match = /^\S+(?: +\S+){5} +(\d+) (\/.*)$/.exec(line);
    if (match?.[1] === inode) return match[2]!;
  }
  return null;
}
