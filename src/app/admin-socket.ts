/**
 * Where the admin API's unix socket is: found by the process that serves it and by the commands
 * that ask it, from nothing but the path of the configuration.
 *
 * S1  a folder that somebody else could write to is never used: what is bound there could be
 *     replaced, and what is found there could be anybody's.
 * S2  commands look in every place where a process may have bound: a service has a runtime folder
 *     of its own, which the person who asks does not have in the environment.
 */

import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/** Bytes of a socket path that the kernel takes, its end mark left out (unix(7)). */
const SOCKET_PATH_SIZE_MAX = 107;
const NAME_SIZE_MAX = 40;
const SYSTEM_FOLDER = '/run/proxy-now';

export interface SocketWorld {
  readonly env: { readonly [name: string]: string | undefined };
  readonly userId: number;
}

interface Place {
  readonly folder: string;
  /** Anyone may make folders beside it, so whose it is has to be checked before it is trusted. */
  readonly isShared: boolean;
}

/**
 * Where the socket of a process may be, most likely first; empty: nowhere (`off`).
 * @param setting     `admin.socket`: a path, `auto` or `off`; paths are relative to the file
 * @param configPath  the main file; empty when there is none
 */
export function adminSocketPlaces(
  setting: string,
  configPath: string,
  world: SocketWorld = thisWorld(),
): readonly string[] {
  if (setting === 'off') return [];
  if (setting !== 'auto') return [resolve(dirname(configPath), setting)];
  if (configPath === '') return [];
  const name = socketName(configPath);
  const safe = places(world).filter((place) => !place.isShared || isOurs(place, world));
  return safe.map(({ folder }) => join(folder, name));
}

/**
 * Makes the folder of the first usable place, readable for its owner alone.
 * @returns the path to bind, or why there is none; both null: `off`
 */
export function prepareAdminSocket(
  setting: string,
  configPath: string,
  world: SocketWorld = thisWorld(),
): { readonly path: string | null; readonly problem: string | null } {
  if (setting === 'off' || (setting === 'auto' && configPath === '')) {
    return { path: null, problem: null };
  }
  if (setting !== 'auto') return fitting(resolve(dirname(configPath), setting));
  const name = socketName(configPath);
  for (const place of places(world)) {
    const path = join(place.folder, name);
    if (makeFolder(place, world) && fitting(path).problem === null) return fitting(path);
  }
  const problem = 'no folder for the admin socket can be made; set admin.socket to a path';
  return { path: null, problem };
}

function places({ env, userId }: SocketWorld): readonly Place[] {
  const all: Place[] = [];
  // systemd gives a list when a unit has several.
  const runtime = env.RUNTIME_DIRECTORY?.split(':', 1)[0] ?? '';
  if (runtime !== '') all.push({ folder: runtime, isShared: false });
  const session = env.XDG_RUNTIME_DIR ?? '';
  if (session !== '') all.push({ folder: join(session, 'proxy-now'), isShared: false });
  all.push({ folder: SYSTEM_FOLDER, isShared: false });
  all.push({ folder: join(tmpdir(), `proxy-now-${userId}`), isShared: true });
  return all;
}

function makeFolder(place: Place, world: SocketWorld): boolean {
  try {
    mkdirSync(place.folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
  }
  return isOurs(place, world);
}

/** S1. */
function isOurs({ folder, isShared }: Place, { userId }: SocketWorld): boolean {
  // A runtime folder of systemd may be a link; where anyone may make links none is followed.
  const stat = (isShared ? lstatSync : statSync)(folder, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return false;
  return stat.uid === userId && (stat.mode & 0o022) === 0;
}

/** Two configurations of the same name have sockets of their own. */
function socketName(configPath: string): string {
  const path = resolve(configPath);
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 8);
  return `${basename(path).slice(0, NAME_SIZE_MAX)}-${hash}.sock`;
}

function fitting(path: string): { path: string | null; problem: string | null } {
  if (Buffer.byteLength(path) <= SOCKET_PATH_SIZE_MAX) return { path, problem: null };
  const problem = `the path of the admin socket has over ${SOCKET_PATH_SIZE_MAX} bytes: ${path}`;
  return { path: null, problem };
}

function thisWorld(): SocketWorld {
  return { env: process.env, userId: process.getuid?.() ?? 0 };
}
