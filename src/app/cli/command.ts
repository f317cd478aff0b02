/**
 * A command of the program: what the parser, the help text and the reference page need to know.
 */

export interface CommandOption {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Shown in help, as in `--config FILE`; absent for a switch. */
  readonly value?: string;
  readonly isRepeatable?: boolean;
  readonly doc: string;
}

/** Exit codes besides 0. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_NOT_RUNNING = 3;
export const EXIT_DIFFERENT = 4;

/** Values by option name, as `util.parseArgs` gives them. */
export type OptionValues = {
  readonly [name: string]: string | boolean | (string | boolean)[] | undefined;
};

export interface Command {
  readonly name: string;
  /** Positional arguments as shown in help, such as `URL`; those in brackets may be left out. */
  readonly operands: readonly string[];
  readonly summary: string;
  readonly options: readonly CommandOption[];
  /** @returns the exit code, or null when the program goes on running */
  run(operands: readonly string[], values: OptionValues): Promise<number | null>;
}

export const CONFIG_OPTION: CommandOption = {
  name: 'config',
  short: 'c',
  value: 'FILE',
  doc: 'Configuration file. Default: proxy-now.toml.',
};

export const JSON_OPTION: CommandOption = {
  name: 'json',
  doc: 'Print JSON instead of text.',
};

export const SOCKET_OPTION: CommandOption = {
  name: 'socket',
  value: 'PATH',
  doc: 'Admin socket of the running proxy. Default: the one that belongs to the configuration.',
};

/** The configuration file that was asked for. */
export function configPath(values: OptionValues): string {
  return typeof values.config === 'string' ? values.config : 'proxy-now.toml';
}
