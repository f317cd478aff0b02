/**
 * Asks the running proxy over its admin socket, and says so plainly when there is none.
 */

import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';

import { adminSocketPlaces } from '../admin-socket.ts';
import { FILE_SOURCE, settingOf } from '../config-file.ts';
import type { OptionValues } from './command.ts';
import { configPath, EXIT_FAILED, EXIT_NOT_RUNNING } from './command.ts';

export interface Question {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Path and query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export type Reply =
  /** The value is JSON of the API; what it means depends on the status. */
  | { readonly ok: true; readonly status: number; readonly value: unknown }
  /** No answer; the problem has been printed. */
  | { readonly ok: false; readonly exitCode: number };

/** An upgrade may take that long, and nothing else does. */
const TIMEOUT_MS = 120_000;
/** Nobody answers there; what was bound may be gone. */
const ABSENT_CODES = ['ENOENT', 'ECONNREFUSED', 'ENOTDIR'];

/** Asks the process that serves the configuration of `-c`, or the one behind `--socket`. */
export async function askAdmin(values: OptionValues, question: Question): Promise<Reply> {
  const path = configPath(values);
  const isGiven = typeof values.socket === 'string';
  const places = isGiven
    ? [String(values.socket)]
    : adminSocketPlaces(settingOf(path, 'admin', 'socket', 'auto'), path);
  let denied = '';
  for (const socketPath of places) {
    try {
      return await ask(socketPath, question);
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (ABSENT_CODES.includes(code)) continue;
      // Nobody may be there all the same: a folder that is closed does not say.
      if (code === 'EACCES' || code === 'EPERM') {
        denied = socketPath;
        continue;
      }
      complain(`no answer over ${socketPath}: ${message}`);
      return { ok: false, exitCode: EXIT_FAILED };
    }
  }
  if (denied !== '') {
    complain(`permission denied: ${denied}; ask as the user that the proxy runs as`);
  } else complain(isGiven ? `no proxy answers at ${places[0]}` : absence(path, places));
  return { ok: false, exitCode: EXIT_NOT_RUNNING };
}

/** The sentence of an answer that is no success. */
export function errorOf(value: unknown): string {
  const isError = typeof value === 'object' && value !== null && 'error' in value;
  return isError ? String(value.error) : JSON.stringify(value);
}

/** Prints a problem of a command. */
export function complain(text: string): void {
  process.stderr.write(`proxy-now: ${plain(text)}\n`);
}

/** What comes from elsewhere must not be able to command the terminal that shows it. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}

function absence(path: string, places: readonly string[]): string {
  const file = resolve(path);
  if (places.length === 0) return `${file} has admin.socket = "off", so nobody can be asked`;
  const text = FILE_SOURCE.readFile(path);
  const why = typeof text === 'string' ? '' : ` (${text.problem}; -c names another)`;
  return `no running proxy found for ${file}${why}; looked for ${places.join(', ')}`;
}

function ask(socketPath: string, { method, path, body }: Question): Promise<Reply> {
  return new Promise((resolveReply, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = {
      host: 'localhost',
      ...(text === '' ? {} : { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(text),
    };
    const options = { socketPath, method, path, headers, agent: false, timeout: TIMEOUT_MS };
    const request = httpRequest(options, (response) => {
      readReply(response).then(resolveReply, reject);
    });
    request.on('timeout', () => request.destroy(new Error('it took too long')));
    request.on('error', reject);
    request.end(text);
  });
}

async function readReply(response: IncomingMessage): Promise<Reply> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  try {
    return { ok: true, status: response.statusCode ?? 0, value: JSON.parse(text) as unknown };
  } catch {
    throw new Error('the answer is not JSON');
  }
}
