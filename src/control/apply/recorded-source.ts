/**
 * A source that remembers what it was asked and what it answered, so that the same load can be
 * made again with some files replaced, and so that one can tell whether anything has changed.
 *
 * S1  an answer that was given is given again, so two loads over one recording see the same world.
 * S2  `isCurrent` looks at everything the load depended on but the environment, which is fixed
 *     while a process lives.
 */

import { createHash } from 'node:crypto';

import type { ConfigSource, Unreadable } from '../config/config-source.ts';
import type { WatchedInputs } from './reload-outcome.ts';

interface Glob {
  readonly pattern: string;
  readonly folder: string;
  readonly answer: readonly string[] | Unreadable;
}

export class RecordedSource implements ConfigSource {
  readonly #source: ConfigSource;
  readonly #configFiles: Set<string>;
  readonly #reads = new Map<string, string | Unreadable>();
  readonly #globs = new Map<string, Glob>();
  /** By path of a `${file:}`, certificate or key: the configuration files that use it. */
  readonly #users = new Map<string, Set<string>>();
  #currentFile = '';

  /** @param main path of the main file */
  constructor(source: ConfigSource, main: string) {
    this.#source = source;
    this.#configFiles = new Set([main]);
  }

  readFile(path: string, user?: string): string | Unreadable {
    // A configuration file is interpolated right after it is read: what is read then is its own.
    if (user === undefined && this.#configFiles.has(path)) this.#currentFile = path;
    else addTo(this.#users, path, user ?? this.#currentFile);
    let answer = this.#reads.get(path);
    if (answer === undefined) {
      answer = this.#source.readFile(path);
      this.#reads.set(path, answer);
    }
    return answer;
  }

  glob(pattern: string, folder: string, user?: string): string[] | Unreadable {
    const key = `${folder}\n${pattern}`;
    let known = this.#globs.get(key);
    if (known === undefined) {
      known = { pattern, folder, answer: this.#source.glob(pattern, folder) };
      this.#globs.set(key, known);
    }
    if (user === undefined) for (const path of pathsOf(known.answer)) this.#configFiles.add(path);
    return 'problem' in known.answer ? known.answer : [...known.answer];
  }

  env(name: string): string | undefined {
    return this.#source.env(name);
  }

  /** Equal for equal answers: what was read, and what every pattern matched. */
  fingerprint(): string {
    const hash = createHash('sha256');
    const add = (text: string): void => {
      hash.update(`${text.length}\n`).update(text); // With sizes, no two lists look alike.
    };
    for (const [path, answer] of this.#reads) {
      const content = contentOf(answer);
      add(path);
      add(content === null ? 'unreadable' : `=${content}`);
    }
    for (const [key, { answer }] of this.#globs) add(`${key}\n${pathsOf(answer).join('\n')}`);
    return hash.digest('hex');
  }

  /** True while every file and pattern answers as it did. */
  isCurrent(): boolean {
    for (const [path, answer] of this.#reads) {
      if (!isSame(this.#source.readFile(path), answer)) return false;
    }
    for (const { pattern, folder, answer } of this.#globs.values()) {
      if (!isSame(textOf(this.#source.glob(pattern, folder)), textOf(answer))) return false;
    }
    return true;
  }

  /** True when the file was asked for. */
  wasRead(path: string): boolean {
    return this.#reads.has(path);
  }

  /** Text of a file that was read; null when it was not or could not be. */
  textOf(path: string): string | null {
    return contentOf(this.#reads.get(path));
  }

  /** Paths of the values, certificates and keys of one configuration file and of no other. */
  ownValues(path: string): string[] {
    const own: string[] = [];
    for (const [value, users] of this.#users) {
      if (users.size === 1 && users.has(path)) own.push(value);
    }
    return own;
  }

  /** What a watcher has to watch. */
  get inputs(): WatchedInputs {
    const globs = [...this.#globs.values()].map(({ pattern, folder }) => ({ pattern, folder }));
    return { files: [...this.#reads.keys()], globs };
  }

  /** The same world with other texts in some files. */
  withTexts(texts: ReadonlyMap<string, string>): ConfigSource {
    return {
      readFile: (path, user) => {
        const text = texts.get(path);
        if (text === undefined) return this.readFile(path, user);
        this.readFile(path, user); // It stays an input, and what is read next is its own.
        return text;
      },
      glob: (pattern, folder, user) => this.glob(pattern, folder, user),
      env: (name) => this.env(name),
    };
  }
}

function pathsOf(answer: readonly string[] | Unreadable): readonly string[] {
  return 'problem' in answer ? [] : answer;
}

function textOf(answer: readonly string[] | Unreadable): string | Unreadable {
  return 'problem' in answer ? answer : answer.join('\n');
}

function isSame(one: string | Unreadable, other: string | Unreadable): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.problem === other.problem;
}

/** Unreadable is unreadable, whatever the reason. */
function contentOf(answer: string | Unreadable | undefined): string | null {
  return typeof answer === 'string' ? answer : null;
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, new Set([value]));
  else values.add(value);
}
