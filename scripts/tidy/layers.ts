/**
 * The layer table (`layers.json`): which room may import what. A whitelist: a folder that no room
 * covers is a problem, and so is every import that is not listed.
 */

import { builtinModules } from 'node:module';
import type { Import } from './imports.ts';
import type { Problem, SourceFile } from './source-file.ts';

export interface Room {
  /** Rooms it may import besides itself; `*` for all. */
  readonly imports: readonly string[];
  /** Node built-ins without `node:`; `*` for all. */
  readonly node?: readonly string[];
  /** npm packages. */
  readonly npm?: readonly string[];
  /** Banned words this room may use all the same. */
  readonly words?: readonly string[];
}

export interface Layers {
  /**
   * Path prefix to room. `*` stands for one folder: each match is a room of its own, so two
   * matches do not see each other. The longest key that fits a file wins.
   */
  readonly rooms: { readonly [path: string]: Room };
  /** What test and contract files may import beyond their room. */
  readonly tests: Room;
  /** Files that nobody needs to import. */
  readonly entries: readonly string[];
  /** Files over the size limit, each with its reason. */
  readonly longFiles: { readonly [path: string]: string };
  /** `path#function` over the length limit, with the length it may not exceed. */
  readonly longFunctions: {
    readonly [key: string]: { readonly lines: number; readonly reason: string };
  };
}

export interface FoundRoom {
  /** The key with `*` replaced by the folder: `src/middleware/compress`. */
  readonly name: string;
  readonly room: Room;
}

const BUILTINS = new Set(builtinModules);

/** @returns the room of the longest key that covers `path`; null when none does */
export function findRoom(layers: Layers, path: string): FoundRoom | null {
  const parts = path.split('/');
  let best: FoundRoom | null = null;
  let bestLength = 0;
  for (const [key, room] of Object.entries(layers.rooms)) {
    const keyParts = key.split('/');
    if (keyParts.length <= bestLength || keyParts.length > parts.length) continue;
    // A room is a folder, or one named file; a folder's star never stands for a file.
    const isFile = keyParts.length === parts.length;
    if (isFile && keyParts.at(-1) === '*') continue;
    if (!keyParts.every((part, i) => part === '*' || part === parts[i])) continue;
    bestLength = keyParts.length;
    best = { name: parts.slice(0, keyParts.length).join('/'), room };
  }
  return best;
}

/** Checks every import of `file` against the table. `resolve` maps a relative specifier. */
export function checkLayers(layers: Layers, file: SourceFile): Problem[] {
  const home = findRoom(layers, file.path);
  if (home === null) {
    return [{ path: file.path, line: 1, message: 'no room of layers.json covers this folder' }];
  }
  const problems: Problem[] = [];
  for (const item of file.imports) {
    const message = checkImport(layers, home, file, item);
    if (message !== null) problems.push({ path: file.path, line: item.line, message });
  }
  return problems;
}

function checkImport(
  layers: Layers,
  home: FoundRoom,
  file: SourceFile,
  item: Import,
): string | null {
  const target = item.specifier;
  if (target.startsWith('.')) return checkRelative(layers, home, file, item);
  const isListed = (list: 'node' | 'npm', name: string): boolean => {
    const allowed = [
      ...(home.room[list] ?? []),
      ...(file.isTest ? (layers.tests[list] ?? []) : []),
    ];
    return allowed.includes('*') || allowed.includes(name);
  };
  if (target.startsWith('node:')) {
    return isListed('node', target.slice(5)) ? null : `${home.name} may not import ${target}`;
  }
  const name = target.split('/', target.startsWith('@') ? 2 : 1).join('/');
  if (BUILTINS.has(name)) return `write node:${name}`;
  return isListed('npm', name) ? null : `${home.name} may not import the package ${name}`;
}

function checkRelative(
  layers: Layers,
  home: FoundRoom,
  file: SourceFile,
  item: Import,
): string | null {
  const path = resolvePath(file.path, item.specifier);
  const target = findRoom(layers, path);
  if (target === null) return `${item.specifier} lies in no room of layers.json`;
  // A room of one named file also sees the folder it lies in.
  const isHome = target.name === home.name || home.name.startsWith(`${target.name}/`);
  if (isHome && (target.name === home.name || home.name.endsWith('.ts'))) return null;
  const allowed = [...home.room.imports, ...(file.isTest ? layers.tests.imports : [])];
  const isAllowed = allowed.some((room) => room === '*' || coversRoom(room, target.name));
  return isAllowed ? null : `${home.name} may not import ${target.name}`;
}

function coversRoom(key: string, name: string): boolean {
  const keyParts = key.split('/');
  const parts = name.split('/');
  return keyParts.length === parts.length && keyParts.every((k, i) => k === '*' || k === parts[i]);
}

/** Joins `specifier` to the folder of `from`; both use `/`. */
export function resolvePath(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** The table itself: every listed room exists, and rooms never import each other in a circle. */
export function checkTable(layers: Layers): Problem[] {
  const problems: Problem[] = [];
  const report = (message: string): void => {
    problems.push({ path: 'layers.json', line: 1, message });
  };
  const done = new Set<string>();
  const visit = (room: string, trail: readonly string[]): void => {
    if (trail.includes(room)) {
      report(
        `rooms import in a circle: ${[...trail.slice(trail.indexOf(room)), room].join(' -> ')}`,
      );
      return;
    }
    if (done.has(room)) return;
    for (const next of layers.rooms[room]?.imports ?? []) {
      if (next === '*') continue;
      if (layers.rooms[next] === undefined) report(`${room} lists the unknown room ${next}`);
      else visit(next, [...trail, room]);
    }
    done.add(room);
  };
  for (const room of Object.keys(layers.rooms)) visit(room, []);
  return problems;
}
