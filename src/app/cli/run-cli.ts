/**
 * Command line: finds the command, reads its options, runs it. Mistakes get one sentence, a guess
 * at what was meant, and exit code 2.
 */

import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

import { nearest } from '../../control/config/did-you-mean.ts';
import { EXIT_USAGE } from './command.ts';
import type { Command, OptionValues } from './command.ts';
import { COMMANDS } from './commands.ts';
import { commandHelp, programHelp } from './help.ts';

/** Runs `argv` (without program names) and sets the exit code. */
export async function runCli(argv: readonly string[]): Promise<void> {
  const [name = 'help', ...rest] = argv;
  if (name === '--version' || name === '-v') return finish(await run('version', rest));
  if (name === 'help' || name === '--help' || name === '-h') {
    finish(help(rest[0]));
    return;
  }
  finish(await run(name, rest));
}

function help(name: string | undefined): number {
  const command = COMMANDS.find((known) => known.name === name);
  if (name !== undefined && command === undefined) return unknownCommand(name);
  process.stdout.write(command === undefined ? programHelp(COMMANDS) : commandHelp(command));
  return 0;
}

async function run(name: string, argv: readonly string[]): Promise<number | null> {
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) return unknownCommand(name);
  if (argv.includes('--help') || argv.includes('-h')) return help(name);
  let operands: readonly string[];
  let values: OptionValues;
  try {
    const parsed = parseArgs({
      args: [...argv],
      options: optionsOf(command),
      allowPositionals: true,
    });
    operands = parsed.positionals;
    values = parsed.values as OptionValues;
  } catch (error) {
    return badOption(command, argv, error as Error);
  }
  const required = command.operands.filter((operand) => !operand.startsWith('['));
  if (operands.length < required.length || operands.length > command.operands.length) {
    const wanted = command.operands.join(' ') || 'no operand';
    return complain(`${name}: expected ${wanted}, found ${operands.join(' ') || 'nothing'}`);
  }
  return command.run(operands, values);
}

function optionsOf(command: Command): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    command.options.map((option) => [
      option.name,
      {
        type: option.value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: option.isRepeatable ?? false,
        ...(option.short === undefined ? {} : { short: option.short }),
      },
    ]),
  );
}

function badOption(command: Command, argv: readonly string[], error: Error): number {
  const names = command.options.map((option) => `--${option.name}`);
  const unknown = argv.find((arg) => arg.startsWith('--') && !names.includes(arg.split('=')[0]!));
  if (unknown === undefined) return complain(`${command.name}: ${error.message.split('. ')[0]}`);
  return complain(`${command.name}: unknown option ${unknown}${guess(unknown, names)}`);
}

function unknownCommand(name: string): number {
  const names = COMMANDS.map((command) => command.name);
  return complain(`unknown command ${name}${guess(name, names)}; see proxy-now help`);
}

function guess(found: string, known: readonly string[]): string {
  const meant = nearest(found, known);
  return meant === null ? '' : `; did you mean ${meant}?`;
}

function complain(text: string): number {
  process.stderr.write(`proxy-now: ${text}\n`);
  return EXIT_USAGE;
}

function finish(code: number | null): void {
  if (code !== null) process.exitCode = code;
}
