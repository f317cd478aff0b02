/**
 * What the process log says about a reload.
 */

import type { Issue } from '../config/issue.ts';
import { formatChange, summarizeChanges } from './config-diff.ts';
import type { ApplyLog, ReloadOutcome } from './reload-outcome.ts';

/** Lines per reload; the rest is counted. */
const LINES_MAX = 20;

/** Nothing for a look of our own that found nothing new; everything else leaves a trace. */
export function logOutcome(log: ApplyLog, outcome: ReloadOutcome): void {
  const { status, cause, generation, message } = outcome;
  const took = Math.round(outcome.tookMs);
  if (status === 'rejected') {
    log.error('reload rejected', { cause, generation, reason: message });
    logIssues(log, outcome.issues);
    return;
  }
  if (status === 'unchanged') {
    if (cause !== 'file' && cause !== 'start') log.info('nothing to reload', { cause, generation });
  } else {
    const changed = summarizeChanges(outcome.changes);
    const fields = { cause, generation, changed, took_ms: took };
    if (cause === 'rollback') log.warn('rolled back', { ...fields, reason: message });
    else log.info('configuration applied', fields);
    logSome(outcome.changes, (change) => log.info(formatChange(change)), log);
  }
  if (outcome.needsRestart.length > 0 && status === 'applied') {
    const keys = outcome.needsRestart.join(', ');
    log.warn('some settings take effect with `proxy-now upgrade` only', { keys });
  }
  for (const { path, serves } of outcome.badFiles) {
    const what = serves === 'last-good' ? 'its last good version is served' : 'it is left out';
    log.error(`an included file has an error: ${what}`, { file: path });
  }
  if (outcome.badFiles.length > 0) logIssues(log, outcome.issues);
}

function logIssues(log: ApplyLog, issues: readonly Issue[]): void {
  const errors = issues.filter((issue) => issue.severity === 'error');
  logSome(errors, (issue) => log.error(issueLine(issue), { code: issue.code }), log);
}

function issueLine({ file, line, column, message }: Issue): string {
  return `${file}:${line}:${column}: ${message}`;
}

function logSome<Item>(items: readonly Item[], each: (item: Item) => void, log: ApplyLog): void {
  for (const item of items.slice(0, LINES_MAX)) each(item);
  if (items.length > LINES_MAX) log.info(`and ${items.length - LINES_MAX} more`);
}
