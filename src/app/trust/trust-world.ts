/**
 * What installing a root needs of the machine: files and programs. One object, so that tests have
 * a machine of their own.
 */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, globSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Programs are broken off after this. */
const PROGRAM_MAX_MS = 60_000;

export interface ProgramResult {
  /** -1: it could not be started or did not end in time. */
  readonly code: number;
  /** Both outputs, without space at the ends. */
  readonly output: string;
}

export interface TrustWorld {
  readonly platform: string;
  readonly home: string;
  /** False: we are root, and the home folder is somebody else's. */
  readonly isOwnHome: boolean;
  isFolder(path: string): boolean;
  isWritable(path: string): boolean;
  /** Names in a folder; empty when it cannot be read. */
  list(folder: string): readonly string[];
  /** Paths that a pattern with `*` finds. */
  find(pattern: string): readonly string[];
  /** Makes a folder for the owner alone, with those above it. @throws the system's error */
  makeFolder(path: string): void;
  /** Readable for all: a root is no secret. @throws the system's error */
  write(path: string, text: string): void;
  /** @throws the system's error */
  remove(path: string): void;
  /** Calls `use` with a file of that content that nobody else can touch, and removes it. */
  withFile<Result>(text: string, use: (path: string) => Result): Result;
  /** Whether a program can be found. */
  has(program: string): boolean;
  run(program: string, args: readonly string[], input?: string): ProgramResult;
}

/** The machine we are on. */
export function thisWorld(): TrustWorld {
  const env = { ...process.env };
  // Administration programs are not in everybody's path.
  env.PATH = `${env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
  return {
    platform: process.platform,
    home: homedir(),
    isOwnHome: isOwn(homedir()),
    isFolder: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false,
    isWritable: (path) => can(path, constants.W_OK),
    list: (folder) => tryOr(() => readdirSync(folder), []),
    find: (pattern) => tryOr(() => globSync(pattern), []),
    makeFolder: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
    write: (path, text) => writeFileSync(path, text, { mode: 0o644 }),
    remove: (path) => rmSync(path),
    withFile: (text, use) => {
      const folder = mkdtempSync(join(tmpdir(), 'proxy-now-'));
      try {
        const path = join(folder, 'root.pem');
        writeFileSync(path, text);
        return use(path);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    has: (program) =>
      env
        .PATH!.split(':')
        .some((folder) => folder !== '' && can(join(folder, program), constants.X_OK)),
    run: (program, args, input = '') => {
      const { status, stdout, stderr, error } = spawnSync(program, args, {
        input,
        env,
        encoding: 'utf8',
        timeout: PROGRAM_MAX_MS,
      });
      const output = `${stdout ?? ''}${stderr ?? ''}`.trim();
      return { code: status ?? -1, output: error === undefined ? output : error.message };
    },
  };
}

/** `sudo` leaves HOME as it was on some systems. */
function isOwn(home: string): boolean {
  const owner = tryOr(() => statSync(home).uid, 0);
  return process.getuid?.() !== 0 || owner === 0;
}

function can(path: string, mode: number): boolean {
  return tryOr(() => {
    accessSync(path, mode);
    return true;
  }, false);
}

function tryOr<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
