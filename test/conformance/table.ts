/**
 * Prints what every subject answers to every vector, side by side.
 *
 *     node test/conformance/table.ts [--peers nginx,haproxy,caddy] [--json | --markdown]
 *                                    [--family A] [--split] [--verbose] [--no-self]
 *
 * `--split` sends everything in small pieces, both ways.
 *
 * Words: a status code; `F` forwarded in good form; `F?` forwarded against the right answer;
 * `F!` forwarded in a dangerous form; `open` not closed where it must be; `hang` no answer;
 * `closed` no answer, connection closed; `cut` a broken transfer; `!` a wrong outcome.
 */

import { parseArgs } from 'node:util';
import { baseToml, linksToml, proxyExists, startProxy } from '../support/proxy.ts';
import { PEER_NAMES, startPeer, type PeerName } from '../support/peers.ts';
import type { Link, Subject } from '../support/subject.ts';
import { describeHostile } from './run-hostile.ts';
import { describeResult } from './run-vector.ts';
import {
  cutsOf,
  HOSTILE_VECTORS,
  openSuite,
  REQUEST_VECTORS,
  runHostiles,
  runRequests,
} from './suite.ts';

interface Cell {
  readonly id: string;
  readonly name: string;
  readonly outcome: string;
  readonly failures: readonly string[];
  readonly text: string;
}

interface Column {
  readonly subject: string;
  readonly cells: readonly Cell[];
}

const TIMEOUT_MS = 3_500;
const SELF = 'proxy-now';

function start(name: string): (links: readonly Link[]) => Promise<Subject | null> {
  if (name === SELF) return (links) => startProxy(baseToml() + linksToml(links), links);
  return (links) => startPeer(name as PeerName, links);
}

async function column(name: string, family: string, isSplit: boolean): Promise<Column | null> {
  const suite = await openSuite({ requestLanes: 10, hostileLanes: 6, start: start(name) });
  if (suite === null) return null;
  try {
    const requests = REQUEST_VECTORS.filter((vector) => vector.id.startsWith(family));
    const hostiles = HOSTILE_VECTORS.filter((vector) => vector.id.startsWith(family));
    if (isSplit) for (const lane of suite.hostileLanes) lane.origin.splitsBytes = true;
    const options = { timeoutMs: TIMEOUT_MS, ...(isSplit ? { cuts: cutsOf } : {}) };
    const results = await Promise.all(runRequests(suite, requests, options));
    const ends = await Promise.all(runHostiles(suite, hostiles, TIMEOUT_MS));
    const cells = [
      ...results.map((result) => ({ ...result, text: describeResult(result) })),
      ...ends.map((result) => ({ ...result, text: describeHostile(result) })),
    ].map(({ vector, outcome, failures, text }) => ({
      id: vector.id,
      name: vector.name,
      outcome,
      failures,
      text,
    }));
    return { subject: `${suite.subject.name} ${suite.subject.version}`.trim(), cells };
  } finally {
    await suite.close();
  }
}

function pad(text: string, width: number): string {
  return text.length >= width ? text : text + ' '.repeat(width - text.length);
}

function score(column: Column): string {
  const good = column.cells.filter((cell) => cell.failures.length === 0).length;
  return `${good}/${column.cells.length}`;
}

/** One row per case; the last row counts the right answers. */
function rows(columns: readonly Column[]): string[][] {
  const cases = columns[0]?.cells ?? [];
  const list = cases.map((cell, i) => [
    cell.id,
    cell.name.slice(0, 44),
    ...columns.map((column) => column.cells[i]?.outcome ?? ''),
  ]);
  return [
    ['id', 'case', ...columns.map((column) => column.subject)],
    ...list,
    ['', 'right answers', ...columns.map(score)],
  ];
}

function printText(columns: readonly Column[]): void {
  const table = rows(columns);
  const widths = (table[0] ?? []).map((_cell, i) =>
    Math.max(...table.map((row) => (row[i] ?? '').length)),
  );
  for (const row of table) {
    process.stdout.write(
      `${row
        .map((cell, i) => pad(cell, widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

function printMarkdown(columns: readonly Column[]): void {
  rows(columns).forEach((row, i) => {
    process.stdout.write(`| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`);
    if (i === 0) process.stdout.write(`|${' --- |'.repeat(row.length)}\n`);
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: PEER_NAMES.join(',') },
      family: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      split: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      'no-self': { type: 'boolean', default: false },
    },
  });
  const peers = values.peers.split(',').filter((name) => name !== '');
  const unknown = peers.filter((name) => !(PEER_NAMES as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`unknown peer ${unknown.join(', ')}`);
  const names = values['no-self'] || !proxyExists() ? peers : [SELF, ...peers];
  const columns: Column[] = [];
  for (const name of names) {
    const done = await column(name, values.family, values.split);
    if (done === null) process.stderr.write(`${name} is not installed: no column\n`);
    else columns.push(done);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(columns, null, 2)}\n`);
  else if (values.markdown) printMarkdown(columns);
  else printText(columns);
  if (values.verbose) {
    for (const { subject, cells } of columns) {
      for (const cell of cells.filter((one) => one.failures.length > 0)) {
        process.stdout.write(`\n${subject}: ${cell.text}\n`);
      }
    }
  }
}

await main();
