/**
 * `status`: what the running proxy is doing, on one page.
 */

import { formatDuration } from '../../base/duration.ts';
import type { AdminStatus, ConfigStatus } from '../../control/admin/admin-api.ts';
import type { HealthRow } from '../../control/probe/health-board.ts';
import { askAdmin, complain, errorOf, plain } from './admin-client.ts';
import { CONFIG_OPTION, EXIT_FAILED, JSON_OPTION, SOCKET_OPTION } from './command.ts';
import type { Command } from './command.ts';

/** Errors shown one by one; `check` shows all. */
const ERRORS_MAX = 5;

export const statusCommand: Command = {
  name: 'status',
  operands: [],
  summary: 'Show workers, listeners, and services with the health of their endpoints.',
  options: [CONFIG_OPTION, SOCKET_OPTION, JSON_OPTION],
  async run(_operands, values) {
    const parts: unknown[] = [];
    for (const path of ['/status', '/config', '/health']) {
      const reply = await askAdmin(values, { method: 'GET', path });
      if (!reply.ok) return reply.exitCode;
      if (reply.status !== 200) {
        complain(errorOf(reply.value));
        return EXIT_FAILED;
      }
      parts.push(reply.value);
    }
    const status = parts[0] as AdminStatus;
    const config = parts[1] as ConfigStatus;
    const { endpoints } = parts[2] as { endpoints: readonly HealthRow[] };
    const text =
      values.json === true
        ? JSON.stringify({ ...status, config, health: endpoints }, null, 2)
        : statusText(status, config, endpoints, Date.now());
    process.stdout.write(`${text}\n`);
    return 0;
  },
};

/** The page. @param nowMs milliseconds since 1970 */
export function statusText(
  status: AdminStatus,
  config: ConfigStatus,
  endpoints: readonly HealthRow[],
  nowMs: number,
): string {
  const { version, readiness, generation } = status;
  const up = formatDuration(status.uptimeSeconds * 1_000);
  const lines = [`proxy-now ${version}, ${readiness}, generation ${generation}, up for ${up}`];
  lines.push(`config: ${config.path}, ${configText(config, nowMs)}`);
  lines.push(...errorLines(config));
  if (status.overloadLevel > 0) lines.push(`overloaded: level ${status.overloadLevel}`);
  lines.push('workers:');
  for (const { id, state, generation: served } of status.workers) {
    const other = served === generation ? '' : `, still on generation ${served}`;
    lines.push(`  ${id}  ${state}${other}`);
  }
  lines.push('listeners:');
  for (const { name, address } of status.listeners) lines.push(`  ${name}  ${address}`);
  lines.push(...certificateLines(status));
  lines.push('services:');
  for (const [service, rows] of Map.groupBy(endpoints, (row) => row.service)) {
    lines.push(`  ${service}`);
    for (const row of rows) lines.push(`    ${endpointText(row, nowMs)}`);
  }
  return lines.map(plain).join('\n');
}

function configText(config: ConfigStatus, nowMs: number): string {
  if (config.isGood) {
    const { lastApplied } = config;
    if (lastApplied === null) return 'as it was at the start';
    return `applied ${age(lastApplied.atMs, nowMs)} ago`;
  }
  const { lastOutcome } = config;
  const bad = lastOutcome?.badFiles.map(({ path }) => path) ?? [];
  if (lastOutcome?.status !== 'rejected' && bad.length > 0) return `bad files: ${bad.join(', ')}`;
  return `NOT what is served: ${lastOutcome?.message ?? 'it has an error'}`;
}

/** Where the errors of the files are. */
function errorLines({ isGood, lastOutcome }: ConfigStatus): string[] {
  if (isGood || lastOutcome === null) return [];
  const errors = lastOutcome.issues.filter(({ severity }) => severity === 'error');
  const lines = errors.slice(0, ERRORS_MAX).map(({ file, line, column, message }) => {
    return `  ${file}:${line}:${column}: ${message}`;
  });
  if (errors.length > ERRORS_MAX) lines.push(`  and ${errors.length - ERRORS_MAX} more`);
  return lines;
}

/** One line, and where to look when something is wrong. */
function certificateLines({ certificates }: AdminStatus): string[] {
  const counts = Object.entries(certificates).map(([state, count]) => `${count} ${state}`);
  if (counts.length === 0) return [];
  const { failing = 0, missing = 0, expired = 0 } = certificates;
  const hint = failing + missing + expired > 0 ? '; see proxy-now certs' : '';
  return [`certificates: ${counts.join(', ')}${hint}`];
}

function endpointText(row: HealthRow, nowMs: number): string {
  const { state, endpoint, reason, sinceMs, ejections } = row;
  const parts = [`${state.padEnd(8)}  ${endpoint}`];
  if (state !== 'up') parts.push(`for ${age(sinceMs, nowMs)}`);
  if (reason !== '') parts.push(reason);
  if (ejections > 0) parts.push(`ejected ${ejections} ${ejections === 1 ? 'time' : 'times'}`);
  return parts.join(', ');
}

/** Whole seconds; a clock that was set back gives none. */
function age(sinceMs: number, nowMs: number): string {
  return formatDuration(Math.max(0, Math.floor((nowMs - sinceMs) / 1_000) * 1_000));
}
