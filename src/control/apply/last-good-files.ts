/**
 * Loads a configuration so that an included file that broke does no harm: its last good version
 * stands in, and the rest is taken as it is.
 *
 * L1  the main file is never replaced: an error in it rejects the load as a whole.
 * L2  an included file that is gone is gone, with its nodes: whoever deletes a file means it. One
 *     that exists and has an error, or cannot be read, counts as broken.
 * L3  a broken file that was never good is left out, as at a start.
 * L4  what comes out is one consistent configuration: when the last good versions do not fit the
 *     rest (a node they refer to is gone, or another file declares the same), there is none.
 * L5  the issues are those of the files as they are on disk; a replaced file adds its own only
 *     when it is the reason why there is no configuration.
 */

import type { Config } from '../config/config.ts';
import type { ConfigSource } from '../config/config-source.ts';
import type { Issue } from '../config/issue.ts';
import { loadConfig } from '../config/load-config.ts';
import type { LoadedConfig, LoadOptions } from '../config/load-config.ts';
import { formatIssues } from '../config/render-issue.ts';
import { RecordedSource } from './recorded-source.ts';
import type { BadFile, SavedFile, WatchedInputs } from './reload-outcome.ts';

/** A file when it was good, with the values of `${file:}`, certificates and keys it had. */
export interface GoodFile {
  readonly text: string;
  readonly values: ReadonlyMap<string, string>;
}

export interface GoodLoad {
  /** Null: rejected. */
  readonly config: Config | null;
  readonly issues: readonly Issue[];
  /** The issues as text with code frames. */
  readonly report: string;
  readonly badFiles: readonly BadFile[];
  readonly inputs: WatchedInputs;
  /** True while the files are what they were at this load. */
  readonly isCurrent: () => boolean;
  /** Equal for loads of equal files. */
  readonly fingerprint: string;
  /** What every file of `config` was made of, replaced ones included; the main file first. */
  readonly good: ReadonlyMap<string, GoodFile>;
}

/**
 * Loads `path` over `source`. Never rejects for what files contain.
 * @param lastGood by path, of what is served now
 */
export async function loadWithLastGood(
  path: string,
  source: ConfigSource,
  lastGood: ReadonlyMap<string, GoodFile>,
  options: LoadOptions = {},
): Promise<GoodLoad> {
  const recorded = new RecordedSource(source, path);
  const asIs = await loadConfig(path, recorded, options);
  // Of the files as they are: what stands in for a broken one is no part of it.
  const fingerprint = recorded.fingerprint();
  const replaced = new Map<string, string>();
  let loaded = asIs;
  while (addReplacements(loaded, lastGood, replaced)) {
    const texts = withValues(replaced, lastGood, recorded);
    loaded = await loadConfig(path, recorded.withTexts(texts), options);
  }
  // A replaced file with an error is L4; a main file with an error is L1 or L4.
  const misfits = loaded.files.filter((file) => replaced.has(file.path) && !file.isGood);
  const config = misfits.length === 0 ? loaded.config : null;
  const textOf = (file: string): string | null => recorded.textOf(file);
  const more = config === null ? newIssues(asIs.issues, loaded.issues) : [];
  return {
    config,
    issues: [...asIs.issues, ...more],
    report:
      formatIssues(asIs.issues, textOf) +
      formatIssues(more, (file) => replaced.get(file) ?? textOf(file)),
    badFiles: badFilesOf(asIs, loaded, replaced),
    inputs: recorded.inputs,
    isCurrent: () => recorded.isCurrent(),
    fingerprint,
    good: config === null ? lastGood : goodFiles(loaded, recorded, replaced, lastGood),
  };
}

/** Replaces every broken included file that has a good version. @returns whether there was one */
function addReplacements(
  loaded: LoadedConfig,
  lastGood: ReadonlyMap<string, GoodFile>,
  replaced: Map<string, string>,
): boolean {
  const before = replaced.size;
  for (const { path, role, isGood } of loaded.files) {
    const good = lastGood.get(path);
    if (role === 'include' && !isGood && good !== undefined) replaced.set(path, good.text);
  }
  return replaced.size > before; // It only grows, up to the number of files.
}

/** The replaced texts, and the values they had where no other file reads the same. */
function withValues(
  replaced: ReadonlyMap<string, string>,
  lastGood: ReadonlyMap<string, GoodFile>,
  recorded: RecordedSource,
): ReadonlyMap<string, string> {
  const texts = new Map(replaced);
  for (const path of replaced.keys()) {
    const own = recorded.ownValues(path);
    for (const [value, text] of lastGood.get(path)?.values ?? []) {
      if (own.includes(value) || !recorded.wasRead(value)) texts.set(value, text);
    }
  }
  return texts;
}

function badFilesOf(
  asIs: LoadedConfig,
  loaded: LoadedConfig,
  replaced: ReadonlyMap<string, string>,
): BadFile[] {
  const bad: BadFile[] = [];
  for (const { path, role } of asIs.files) {
    if (role === 'main') continue;
    const isLeftOut = loaded.files.some((file) => file.path === path && !file.isGood);
    if (replaced.has(path)) bad.push({ path, serves: 'last-good' });
    else if (isLeftOut) bad.push({ path, serves: 'left-out' });
  }
  return bad;
}

function newIssues(known: readonly Issue[], all: readonly Issue[]): Issue[] {
  const ids = new Set(known.map(issueId));
  return all.filter((issue) => issue.severity === 'error' && !ids.has(issueId(issue)));
}

function issueId({ code, file, path, message }: Issue): string {
  return [code, file, path, message].join('\n');
}

function goodFiles(
  loaded: LoadedConfig,
  recorded: RecordedSource,
  replaced: ReadonlyMap<string, string>,
  lastGood: ReadonlyMap<string, GoodFile>,
): ReadonlyMap<string, GoodFile> {
  const files = new Map<string, GoodFile>();
  for (const { path, isGood } of loaded.files) {
    const former = lastGood.get(path);
    if (replaced.has(path) && former !== undefined) files.set(path, former);
    else if (isGood) {
      const text = recorded.textOf(path) ?? '';
      const values = new Map<string, string>();
      for (const value of recorded.ownValues(path)) {
        const content = recorded.textOf(value);
        if (content !== null) values.set(value, content);
      }
      files.set(path, { text, values });
    }
  }
  return files;
}

/** The texts alone, to be kept or handed on: values of `${file:}` are secrets and stay here. */
export function savedFiles(good: ReadonlyMap<string, GoodFile>): SavedFile[] {
  return [...good].map(([path, { text }]) => ({ path, text }));
}

/** The other way round. */
export function goodFilesOf(saved: readonly SavedFile[]): ReadonlyMap<string, GoodFile> {
  return new Map(saved.map(({ path, text }) => [path, { text, values: new Map() }]));
}
