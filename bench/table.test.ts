import test from 'node:test';
import assert from 'node:assert/strict';
import { judgeAll } from './gates.ts';
import { makeRow } from './row.ts';
import { alignColumns, formatRows, formatVerdicts } from './table.ts';

test('table: words go left, numbers right, and no line ends in spaces', () => {
  const text = alignColumns(
    [
      ['peer', 'n', 'gate'],
      ['a-long-name', '10', ''],
    ],
    1,
  );
  assert.equal(text, 'peer          n  gate\na-long-name  10\n');
});

const rows = [
  makeRow('a', 'nginx', { figure: 20, requestsPerSecond: 50_000, p99Us: 2500 }),
  makeRow('a', 'caddy', { figure: 80, errors: 2 }),
  makeRow('a', 'proxy-now', { figure: 36, spread: 0.05, residentBytes: 90e6 }),
];

/** The cells of the line that begins with the two words. */
function cells(text: string, peer: string): string[] {
  const line = text.split('\n').find((one) => one.split(/ +/)[1] === peer);
  return line!.split(/ {2,}/);
}

test('table: shows the ratio to nginx and a missed gate', () => {
  const line = cells(formatRows(rows, judgeAll(rows)), 'proxy-now');
  assert.deepEqual(line, [
    'a',
    'proxy-now',
    '36.0 us/req',
    '1.80',
    '-',
    '5 %',
    '-',
    '-',
    '-',
    '-',
    '90.0',
    '-',
    '0',
    'MISSED',
  ]);
});

test('table: marks a row with errors and compares nothing with it', () => {
  const text = formatRows(rows, judgeAll(rows));
  assert.match(text, /caddy .* 2 INVALID/);
  assert.equal(cells(text, 'nginx')[4], '-');
});

test('table: says what was asked and what was found for each gate', () => {
  const text = formatVerdicts(judgeAll(rows));
  assert.match(text, /^gate a +<= 1\.6 x nginx +1\.80 +MISSED$/m);
  assert.match(text, /^gate a +<= 0\.4 x caddy +- +not judged$/m);
  assert.equal(formatVerdicts([]), '');
});
