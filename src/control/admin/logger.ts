/**
 * The process log: one line per event, for people (`text`) or machines (`json`).
 *
 * Control plane only. The level changes at run time. Output, clock and all else are injected.
 * Values are escaped, so that nothing a peer sent can start a line of its own or reach a terminal.
 */

import type { LogLevel } from '../../contract/snapshot.ts';

export type LogValue = string | number | boolean | null | undefined;
/** Further facts of an event; undefined values are left out. */
export type LogFields = Readonly<Record<string, LogValue>>;

export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** For events whose level is data (a message from a worker). */
  log(level: LogLevel, message: string, fields?: LogFields): void;
  /** True when an event of that level would be written: guards costly fields. */
  isOn(level: LogLevel): boolean;
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Takes one line, newline included. Must not block. */
  readonly write: (line: string) => void;
}

const RANKS: { readonly [L in LogLevel]: number } = { error: 0, warn: 1, info: 2, debug: 3 };

/** Longest value of a text line, in UTF-16 units; longer ones are cut with `...`. */
export const LOG_VALUE_SIZE_MAX = 4_096;

/** True for a level's name. */
export function isLogLevel(text: unknown): text is LogLevel {
  return typeof text === 'string' && Object.hasOwn(RANKS, text);
}

/** Makes a logger. */
export function createLogger(options: LoggerOptions): Logger {
  const { wallMs, write } = options;
  const render = options.format === 'json' ? jsonLine : textLine;
  let current = options.level;
  const isOn = (level: LogLevel): boolean => RANKS[level] <= RANKS[current];
  const log = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (isOn(level)) write(render(new Date(wallMs()).toISOString(), level, message, fields));
  };
  return {
    error: (message, fields) => log('error', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    info: (message, fields) => log('info', message, fields),
    debug: (message, fields) => log('debug', message, fields),
    log,
    isOn,
    get level() {
      return current;
    },
    setLevel(level) {
      current = level;
    },
  };
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${escapeControls(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${textValue(value)}`;
  }
  return `${line}\n`;
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const event: Record<string, LogValue> = { time, level, message: cut(message) };
  for (const [name, value] of Object.entries(fields)) {
    // The three names above stay what they are, whatever the event calls its fields.
    const key = Object.hasOwn(event, name) ? `field_${name}` : name;
    if (value !== undefined) event[key] = typeof value === 'string' ? cut(value) : value;
  }
  return `${escapeControls(JSON.stringify(event), false)}\n`;
}

function textValue(value: LogValue): string {
  if (typeof value !== 'string') return String(value);
  const isBare = value !== '' && /^[\w./:@%+,*[\]()#~-]+$/.test(value);
  return isBare ? cut(value) : escapeControls(JSON.stringify(cut(value)), false);
}

/** Replaces what could end a line, move a cursor or reorder text; optionally cuts as well. */
function escapeControls(text: string, isCut = true): string {
  const short = isCut ? cut(text) : text;
  return short.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function cut(text: string): string {
  return text.length <= LOG_VALUE_SIZE_MAX ? text : `${text.slice(0, LOG_VALUE_SIZE_MAX)}...`;
}
