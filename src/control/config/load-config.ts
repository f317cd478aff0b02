/**
 * Loads a configuration: files in, a validated Config or issues out. Pure but for the source.
 *
 * Every issue is found in one go. An included file with an error is left out as a whole, with
 * all its nodes; the others stay. An error in the main file means there is no Config.
 */

import { assemble } from './assemble.ts';
import type { Assembled } from './assemble.ts';
import type { CertificateCheck } from './certificate-check.ts';
import { NO_CERTIFICATE_CHECK } from './certificate-check.ts';
import type { Config } from './config.ts';
import { readConfigFiles } from './config-files.ts';
import type { ConfigFile } from './config-files.ts';
import type { ConfigSource } from './config-source.ts';
import type { Issue, IssueDraft } from './issue.ts';
import { LoadMemory } from './load-memory.ts';
import type { Located } from './located.ts';
import { NodeFiles } from './node-files.ts';
import { NO_MIDDLEWARE_KINDS } from './middleware-section.ts';
import type { MiddlewareKinds } from './middleware-section.ts';
import { placeIssues } from './place-issues.ts';
import { acceptAnyRegex, loadRegexCheck } from './regex-check.ts';

export interface LoadOptions {
  /** Kinds of middleware that exist, each with the schema of its settings. Default: none. */
  readonly middlewareKinds?: MiddlewareKinds;
  /** Who judges certificates and keys. Default: nobody can, so that each of them is an issue. */
  readonly certificateCheck?: CertificateCheck;
  /**
   * What loads before remember: a load that shares it costs what changed, and nodes that did not
   * change are the same objects. Of one `middlewareKinds` and `certificateCheck`. Default: nothing
   * is remembered.
   */
  readonly memory?: LoadMemory;
}

export interface FileStatus {
  readonly path: string;
  readonly role: 'main' | 'include';
  /** False: the file has an error. An included one is then not part of the Config. */
  readonly isGood: boolean;
  /** As read; null when the file cannot be read. */
  readonly text: string | null;
}

export interface LoadedConfig {
  /** Null when the main file has an error. */
  readonly config: Config | null;
  /** In order of file and place; warnings among them. */
  readonly issues: readonly Issue[];
  /** The main file first. */
  readonly files: readonly FileStatus[];
  /** Every path that was asked for, `${file:}` and certificates too: what a watcher watches. */
  readonly inputs: readonly string[];
}

/**
 * Loads `path` and what it includes.
 * @returns every issue, and the Config when it may be used. Never rejects for what files contain.
 */
export async function loadConfig(
  path: string,
  source: ConfigSource,
  options: LoadOptions = {},
): Promise<LoadedConfig> {
  const memory = options.memory ?? new LoadMemory();
  const { files, inputs, drafts } = readConfigFiles(path, source, memory);
  const needsRegex = files.some(mayHaveRegex);
  const checkRegex = needsRegex ? await loadRegexCheck() : acceptAnyRegex;
  const middlewareKinds = options.middlewareKinds ?? NO_MIDDLEWARE_KINDS;
  const certificateCheck = options.certificateCheck ?? NO_CERTIFICATE_CHECK;
  const named = new Set(inputs);
  const nodeFiles = new NodeFiles(source, (file) => named.add(file));
  const shared = { middlewareKinds, checkRegex, memory, files: nodeFiles, certificateCheck };
  const settled = settle(files, drafts, (active, dropped) => {
    return assemble(active, { ...shared, dropped });
  });
  memory.retainPairs(settled.assembled.config);
  const badFiles = filesWithErrors(settled.drafts);
  const placed = files.map((file) => ({ ...file, text: file.text ?? '' }));
  return {
    config: badFiles.has(path) ? null : settled.assembled.config,
    issues: await placeIssues(settled.drafts, placed),
    files: files.map((file) => {
      const isGood = !badFiles.has(file.path);
      return { path: file.path, role: file.role, isGood, text: file.text };
    }),
    inputs: [...named],
  };
}

/**
 * Assembles, leaves out included files with errors, and assembles again, until the set is stable:
 * leaving one out may leave references of another dangling.
 */
function settle(
  files: readonly ConfigFile[],
  fileDrafts: readonly IssueDraft[],
  assembleFiles: (active: readonly ConfigFile[], dropped: Assembled['nodes'] | null) => Assembled,
): { assembled: Assembled; drafts: readonly IssueDraft[] } {
  const everything = assembleFiles(files, null);
  const drafts = [...fileDrafts, ...everything.drafts];
  let assembled = everything;
  let activeCount = files.length;
  for (;;) {
    const bad = filesWithErrors(drafts);
    const active = files.filter((file) => file.role === 'main' || !bad.has(file.path));
    if (active.length === activeCount) return { assembled, drafts };
    activeCount = active.length; // It only shrinks, so this ends.
    assembled = assembleFiles(active, everything.nodes);
    // Only references can break by leaving files out; all else was reported with all of them.
    const dangling = assembled.drafts.filter((draft) => draft.code === 'PN1201');
    const known = new Set(drafts.map(draftId));
    drafts.push(...dangling.filter((draft) => !known.has(draftId(draft))));
  }
}

function filesWithErrors(drafts: readonly IssueDraft[]): ReadonlySet<string> {
  const errors = drafts.filter((draft) => draft.severity === 'error');
  return new Set(errors.map((draft) => draft.spot.file));
}

function draftId(draft: IssueDraft): string {
  return JSON.stringify([draft.code, draft.spot, draft.message]);
}

function mayHaveRegex({ text, tree }: ConfigFile): boolean {
  if (text === null || /regexp/i.test(text)) return text !== null;
  return text.includes('${') && hasText(tree, /regexp/i);
}

function hasText(value: Located, pattern: RegExp): boolean {
  switch (value.kind) {
    case 'string':
      return pattern.test(value.text);
    case 'array':
      return value.items.some((item) => hasText(item, pattern));
    case 'table':
      return [...value.entries.values()].some((child) => hasText(child, pattern));
    default:
      return false;
  }
}
