/**
 * Help texts, made from the command table.
 */

import type { Command, CommandOption } from './command.ts';

export function programHelp(commands: readonly Command[]): string {
  const rows = commands.map((command) => [usage(command), command.summary] as const);
  return `Proxy Now: a reverse proxy and edge router.

Usage: proxy-now COMMAND [OPTIONS]

${table(rows)}

proxy-now help COMMAND says more.
`;
}

export function commandHelp(command: Command): string {
  const rows = command.options.map((option) => [optionText(option), option.doc] as const);
  const options = rows.length === 0 ? '' : `\n${table(rows)}\n`;
  return `Usage: proxy-now ${usage(command)}\n\n${command.summary}\n${options}`;
}

/** Name and operands, and a hint that there are options. */
export function usage(command: Command): string {
  return [command.name, ...command.operands].join(' ');
}

export function optionText(option: CommandOption): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const value = option.value === undefined ? '' : ` ${option.value}`;
  return `${short}--${option.name}${value}`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
