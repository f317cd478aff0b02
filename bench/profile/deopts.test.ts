import test from 'node:test';
import assert from 'node:assert/strict';
import { countDeopts } from './deopts.ts';

function line(kind: string, reason: string, name: string): string {
  return (
    `[bailout (kind: ${kind}, reason: ${reason}): begin. deoptimizing 0x045725b18341 ` +
    `<JSFunction ${name}(sfi = 0x45725b05af9)>, 0x2e57f53c1379 <Code MAGLEV>, opt id 0]\n`
  );
}

test('deopts: counts by function and reason and ignores other lines', () => {
  const trace =
    'started\n' +
    line('deopt-eager', 'wrong map', 'parse ') +
    line('deopt-lazy', '(unknown)', '') +
    line('deopt-eager', 'wrong map', 'parse ') +
    '[bailout end. took 0.2 ms]\n';
  assert.deepEqual(countDeopts(trace), [
    { name: 'parse', kind: 'deopt-eager', reason: 'wrong map', count: 2 },
    { name: '(anonymous)', kind: 'deopt-lazy', reason: '(unknown)', count: 1 },
  ]);
});

test('deopts: entering freshly optimised code is not one', () => {
  const reason = 'prepare for on stack replacement (OSR)';
  assert.deepEqual(countDeopts(line('deopt-eager', reason, 'f ')), []);
});
