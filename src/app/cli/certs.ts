/**
 * `certs`: the certificates of the running proxy, when they end and what goes wrong with them.
 */

import type { CertificateRow } from '../../control/certificate/certificate-row.ts';
import { askAdmin, complain, errorOf, plain } from './admin-client.ts';
import { CONFIG_OPTION, EXIT_FAILED, JSON_OPTION, SOCKET_OPTION } from './command.ts';
import type { Command, OptionValues } from './command.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const certsCommand: Command = {
  name: 'certs',
  operands: ['[NAME]'],
  summary: 'Show certificates: issuer, end, next attempt, and what to do about a problem.',
  options: [
    CONFIG_OPTION,
    SOCKET_OPTION,
    { name: 'renew', doc: 'Renew the certificate NAME now.' },
    JSON_OPTION,
  ],
  async run([name = ''], values) {
    if (values.renew === true) return renew(name, values);
    const path = name === '' ? '/certificates' : `/certificates/${encodeURIComponent(name)}`;
    const reply = await askAdmin(values, { method: 'GET', path });
    if (!reply.ok) return reply.exitCode;
    if (reply.status !== 200) return failed(reply.value);
    if (values.json === true) print(JSON.stringify(reply.value, null, 2));
    else if (name === '') {
      const { certificates } = reply.value as { certificates: readonly CertificateRow[] };
      print(certificatesText(certificates, Date.now()));
    } else print(certificateText(reply.value as CertificateRow, Date.now()));
    return 0;
  },
};

async function renew(name: string, values: OptionValues): Promise<number> {
  if (name === '') {
    complain('certs: --renew needs the name of a certificate');
    return EXIT_FAILED;
  }
  const path = `/certificates/${encodeURIComponent(name)}/renew`;
  const reply = await askAdmin(values, { method: 'POST', path });
  if (!reply.ok) return reply.exitCode;
  if (reply.status !== 202) return failed(reply.value);
  const { outcome } = reply.value as { outcome: string };
  if (values.json === true) print(JSON.stringify(reply.value, null, 2));
  else print(outcome === 'started' ? `renewing ${name}` : `${name} is being renewed already`);
  return 0;
}

/** The table. @param nowMs milliseconds since 1970 */
export function certificatesText(rows: readonly CertificateRow[], nowMs: number): string {
  if (rows.length === 0) return 'no certificates: no listener with TLS has a route with a host';
  const table = [['NAME', 'ISSUER', 'STATE', 'ENDS', 'NEXT ATTEMPT']];
  for (const row of rows) {
    table.push([
      row.name + (row.names.length > 1 ? ` (+${row.names.length - 1})` : ''),
      issuerText(row),
      row.state,
      row.notAfterMs === 0 ? '-' : when(row.notAfterMs, nowMs),
      row.nextAttemptMs === 0 ? '-' : when(row.nextAttemptMs, nowMs),
    ]);
  }
  const widths = table[0]!.map((_, column) =>
    Math.max(...table.map((cells) => cells[column]!.length)),
  );
  const lines: string[] = [];
  for (const [index, cells] of table.entries()) {
    const padded = cells.map((cell, column) => cell.padEnd(widths[column]!));
    lines.push(padded.join('  ').trimEnd());
    const row = rows[index - 1];
    if (row === undefined) continue;
    if (row.step !== '') lines.push(`  ${row.step}`);
    if (row.problem !== null) lines.push(`  ${problemText(row.problem, nowMs)}`);
  }
  return lines.map(plain).join('\n');
}

/** One certificate on a page. @param nowMs milliseconds since 1970 */
export function certificateText(row: CertificateRow, nowMs: number): string {
  const lines = [`${row.name}: ${row.state}`];
  const add = (what: string, text: string): void => {
    if (text !== '') lines.push(`  ${what.padEnd(13)}${text}`);
  };
  add('names', row.names.join(', '));
  add('issuer', issuerText(row));
  add('SHA-256', row.id);
  if (row.notAfterMs !== 0) {
    add('valid from', stamp(row.notBeforeMs));
    add('ends', `${stamp(row.notAfterMs)}, ${when(row.notAfterMs, nowMs)}`);
  }
  if (row.renewal !== null) {
    const { startMs, endMs, by, explanationUrl } = row.renewal;
    const who = by === 'authority' ? 'the authority says so' : 'by its lifetime';
    add('renewal', `${stamp(startMs)} to ${stamp(endMs)}, ${who}`);
    add('explained at', explanationUrl);
  }
  if (row.nextAttemptMs !== 0) {
    add('next attempt', `${stamp(row.nextAttemptMs)}, ${when(row.nextAttemptMs, nowMs)}`);
  }
  add('now', row.step);
  if (row.problem !== null) add('problem', problemText(row.problem, nowMs));
  return lines.map(plain).join('\n');
}

function issuerText({ source, issuer }: CertificateRow): string {
  if (source === 'file') return 'files';
  return issuer === '' ? '-' : issuer;
}

function problemText(problem: NonNullable<CertificateRow['problem']>, nowMs: number): string {
  const { message, failures, atMs, type } = problem;
  const times = failures > 1 ? `, ${failures} times` : '';
  return `failed ${when(atMs, nowMs)}${times} (${type}): ${message}`;
}

/** `in 3 days`, `2 hours ago`: one unit, rounded down. */
export function when(atMs: number, nowMs: number): string {
  const distance = Math.abs(atMs - nowMs);
  const text = span(distance);
  if (text === '') return 'now';
  return atMs > nowMs ? `in ${text}` : `${text} ago`;
}

function span(ms: number): string {
  if (ms < MINUTE_MS) return '';
  if (ms < 2 * HOUR_MS) return count(Math.floor(ms / MINUTE_MS), 'minute');
  if (ms < 2 * DAY_MS) return count(Math.floor(ms / HOUR_MS), 'hour');
  return count(Math.floor(ms / DAY_MS), 'day');
}

function count(value: number, unit: string): string {
  return `${value} ${unit}${value === 1 ? '' : 's'}`;
}

function stamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function failed(value: unknown): number {
  complain(errorOf(value));
  return EXIT_FAILED;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
