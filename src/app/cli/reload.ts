/**
 * `reload` and `diff`: has the running proxy take its files over, or say what that would change.
 */

import { formatChange } from '../../control/apply/config-diff.ts';
import type { ReloadOutcome, ReloadPreview } from '../../control/apply/reload-outcome.ts';
import { askAdmin, complain, errorOf, plain } from './admin-client.ts';
import {
  CONFIG_OPTION,
  EXIT_DIFFERENT,
  EXIT_FAILED,
  JSON_OPTION,
  SOCKET_OPTION,
} from './command.ts';
import type { Command, OptionValues } from './command.ts';

export const reloadCommand: Command = {
  name: 'reload',
  operands: [],
  summary: 'Have the running proxy read its files again, and say what changed.',
  options: [CONFIG_OPTION, SOCKET_OPTION, JSON_OPTION],
  async run(_operands, values) {
    const outcome = await ask<ReloadOutcome>(values, '/reload');
    if (typeof outcome === 'number') return outcome;
    if (outcome.status === 'rejected') return rejected(outcome);
    const took = `in ${Math.round(outcome.tookMs)} ms`;
    const what =
      outcome.status === 'applied'
        ? `${outcome.message}, ${took}`
        : `unchanged: ${outcome.message}`;
    print(`generation ${outcome.generation}, ${what}`);
    printRest(outcome);
    return 0;
  },
};

export const diffCommand: Command = {
  name: 'diff',
  operands: [],
  summary: 'Say what a reload would change. Exit code 4 when it would change something.',
  options: [CONFIG_OPTION, SOCKET_OPTION, JSON_OPTION],
  async run(_operands, values) {
    const preview = await ask<ReloadPreview>(values, '/reload?dry-run=true');
    if (typeof preview === 'number') return preview;
    if (preview.status === 'rejected') return rejected(preview);
    print(preview.message);
    printRest(preview);
    return preview.changes.length === 0 ? 0 : EXIT_DIFFERENT;
  },
};

/** @returns the answer, or the exit code when it has been dealt with */
async function ask<Answer extends ReloadPreview>(
  values: OptionValues,
  path: string,
): Promise<Answer | number> {
  const reply = await askAdmin(values, { method: 'POST', path });
  if (!reply.ok) return reply.exitCode;
  if (reply.status !== 200 && reply.status !== 422) {
    complain(errorOf(reply.value));
    return EXIT_FAILED;
  }
  const answer = reply.value as Answer;
  if (values.json !== true) return answer;
  process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  if (answer.status === 'rejected') return EXIT_FAILED;
  const isDiff = path.includes('?');
  return isDiff && answer.changes.length > 0 ? EXIT_DIFFERENT : 0;
}

function rejected({ report, message }: ReloadPreview): number {
  process.stderr.write(plain(report));
  complain(message);
  return EXIT_FAILED;
}

function printRest({ changes, needsRestart, issues, badFiles, report }: ReloadPreview): void {
  for (const change of changes) print(`  ${formatChange(change)}`);
  if (needsRestart.length > 0) {
    print(`${needsRestart.join(', ')}: takes effect with \`proxy-now upgrade\` only`);
  }
  // Warnings are said once, with what they came with; errors each time.
  const hasError = issues.some(({ severity }) => severity === 'error');
  if (hasError || changes.length > 0) process.stderr.write(plain(report));
  for (const { path, serves } of badFiles) {
    const what = serves === 'last-good' ? 'its last good version is served' : 'it is left out';
    complain(`${path} has an error: ${what}`);
  }
}

function print(text: string): void {
  process.stdout.write(`${plain(text)}\n`);
}
