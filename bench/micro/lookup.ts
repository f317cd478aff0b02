/**
 * Cost of one route lookup: the sequential and the compiled matcher at 1 to 10,000 routes, for
 * the first route, the last one and no match; and from how many routes the compiled one wins.
 *
 *     node bench/micro/lookup.ts [--json] [--rounds 7]
 *
 * Figures are nanoseconds per lookup, median of several rounds in which all rows take turns.
 */

import { compileRouter } from '../../src/control/compile/router.ts';
import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import type { RoutableRoute } from '../../src/control/compile/router.ts';
import type { Rule } from '../../src/contract/routing.ts';
import { linkRouter } from '../../src/data/route/router.ts';
import type { Router } from '../../src/data/route/router.ts';
import { linkSequential } from '../../src/data/route/sequential.ts';
import { TextRequest } from '../../test/router/text-request.ts';

const ROUTE_COUNTS = [1, 10, 100, 1_000, 10_000];
/** Also looked at to find the crossing, which is below 10. */
const CROSSING_COUNTS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16];
const ROUND_MS = 12;

/** How routes differ from one another. */
const SHAPES: Readonly<Record<string, (index: number) => Rule>> = {
  hosts: (index) => ({
    kind: 'and',
    rules: [
      { kind: 'host', host: `shop-${index}.example.com` },
      { kind: 'pathPrefix', path: '/api' },
    ],
  }),
  paths: (index) => ({
    kind: 'and',
    rules: [
      { kind: 'host', host: 'shop.example.com' },
      { kind: 'pathPrefix', path: `/services/team-${index % 100}/service-${index}` },
    ],
  }),
  'hosts+rest': (index) => ({
    kind: 'and',
    rules: [
      { kind: 'host', host: `shop-${index}.example.com` },
      { kind: 'pathPrefix', path: '/api' },
      { kind: 'method', method: 'GET' },
      { kind: 'header', name: 'x-tenant', value: 'blue' },
    ],
  }),
};

interface Row {
  readonly shape: string;
  readonly routes: number;
  readonly position: 'first' | 'last' | 'none';
  readonly matcher: 'sequential' | 'compiled';
  readonly router: Router;
  readonly request: TextRequest;
  readonly expected: number;
  readonly samples: number[];
}

/** Adds up every answer, so that no lookup can be optimised away. */
let sum = 0;

function requestFor(shape: string, index: number): TextRequest {
  const isPaths = shape === 'paths';
  const request: CheckRequest = {
    host: isPaths ? 'shop.example.com' : `shop-${index}.example.com`,
    path: isPaths ? `/services/team-${index % 100}/service-${index}/items` : '/api/items/42',
    method: 'GET',
    headers: [
      ['accept', '*/*'],
      ['user-agent', 'bench'],
      ['x-tenant', 'blue'],
    ],
    query: 'page=2',
    clientAddress: '127.0.0.1',
    listenerIndex: 0,
  };
  return new TextRequest(request);
}

function rowsFor(shape: string, routeCount: number): Row[] {
  const make = SHAPES[shape]!;
  const routes = Array.from({ length: routeCount }, (_, index): RoutableRoute => ({
    rule: make(index),
    listeners: null,
  }));
  const matchers = [
    ['sequential', linkSequential(routes)],
    ['compiled', linkRouter(compileRouter(routes))],
  ] as const;
  const positions = [
    ['first', 0, 0],
    ['last', routeCount - 1, routeCount - 1],
    ['none', routeCount, -1],
  ] as const;
  return matchers.flatMap(([matcher, router]) =>
    positions.map(([position, index, expected]): Row => {
      const request = requestFor(shape, index);
      const common = { shape, routes: routeCount, position, matcher };
      return { ...common, router, request, expected, samples: [] };
    }),
  );
}

/** @returns nanoseconds per lookup, over at least ROUND_MS. */
function measure(row: Row): number {
  const { router, request } = row;
  let count = 0;
  let elapsedMs = 0;
  let batch = 16;
  const start = performance.now();
  while (elapsedMs < ROUND_MS) {
    for (let i = 0; i < batch; i++) sum += router.match(request);
    count += batch;
    batch = Math.min(batch * 2, 65_536);
    elapsedMs = performance.now() - start;
  }
  return (elapsedMs * 1e6) / count;
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

function runRounds(rows: readonly Row[], rounds: number): void {
  for (const row of rows) {
    if (row.router.match(row.request) !== row.expected) {
      throw new Error(`wrong route: ${row.shape} ${row.routes} ${row.position} ${row.matcher}`);
    }
    measure(row); // Warm-up.
  }
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) row.samples.push(measure(row));
  }
}

/** Smallest tried count from which the compiled matcher's mean over positions is never higher. */
function crossing(rows: readonly Row[]): number | null {
  const counts = [...new Set(rows.map((row) => row.routes))].toSorted((a, b) => b - a);
  let result: number | null = null;
  for (const count of counts) {
    const mean = (matcher: string): number => {
      const own = rows.filter((row) => row.routes === count && row.matcher === matcher);
      return own.reduce((total, row) => total + median(row.samples), 0) / own.length;
    };
    if (mean('compiled') > mean('sequential')) return result;
    result = count;
  }
  return result;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printTable(shape: string, rows: readonly Row[]): void {
  print(`\n${shape}: ns per lookup`);
  const head = ['first', 'last', 'none'].map((name) => name.padStart(10)).join('');
  print(`${'routes'.padStart(8)}  ${'matcher'.padEnd(10)} ${head}`);
  for (const routeCount of ROUTE_COUNTS) {
    for (const matcher of ['sequential', 'compiled']) {
      const own = rows.filter((row) => row.routes === routeCount && row.matcher === matcher);
      const figures = own.map((row) => median(row.samples).toFixed(0).padStart(10)).join('');
      print(`${String(routeCount).padStart(8)}  ${matcher.padEnd(10)} ${figures}`);
    }
  }
}

function main(): void {
  const args = process.argv.slice(2);
  const roundsAt = args.indexOf('--rounds');
  const rounds = Math.min(100, Math.max(1, roundsAt < 0 ? 7 : Number(args[roundsAt + 1]) || 7));
  const isJson = args.includes('--json');
  const results: object[] = [];
  const crossings: Record<string, number | null> = {};
  for (const shape of Object.keys(SHAPES)) {
    const rows = ROUTE_COUNTS.flatMap((count) => rowsFor(shape, count));
    runRounds(rows, rounds);
    const near = CROSSING_COUNTS.flatMap((count) => rowsFor(shape, count));
    runRounds(near, rounds);
    crossings[shape] = crossing([...near, ...rows.filter((row) => row.routes > 16)]);
    for (const { routes, position, matcher, samples } of rows) {
      results.push({ shape, routes, position, matcher, ns: Number(median(samples).toFixed(1)) });
    }
    if (isJson) continue;
    printTable(shape, rows);
    const from = crossings[shape];
    print(`the compiled matcher wins from ${from ?? 'no'} routes on (mean of the three positions)`);
  }
  if (isJson) print(JSON.stringify({ results, compiledWinsFrom: crossings }));
  if (Number.isNaN(sum)) throw new Error('no lookup was counted');
}

main();
