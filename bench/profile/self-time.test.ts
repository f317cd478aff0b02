import test from 'node:test';
import assert from 'node:assert/strict';
import { selfTimes } from './self-time.ts';

function node(id: number, functionName: string, url = '', lineNumber = -1) {
  return { id, callFrame: { functionName, url, lineNumber } };
}

test('self-time: gives each function the time until the next sample, idle left out', () => {
  const profile = {
    nodes: [
      node(1, '(root)'),
      node(2, 'parse', 'file:///home/x/src/data/codec/h1/parse.ts', 9),
      node(3, '(idle)'),
      node(4, '', 'node:net', 3),
    ],
    samples: [2, 3, 2, 4, 1],
    timeDeltas: [7, 100, 5000, 30, 1],
  };
  assert.deepEqual(selfTimes([profile]), [
    { name: 'parse', place: 'src/data/codec/h1/parse.ts:10', us: 130 },
    { name: '(anonymous)', place: 'node:net:4', us: 1 },
  ]);
});

test('self-time: adds the same function up over threads and call paths', () => {
  const profile = {
    nodes: [node(1, 'f', 'file:///a/b.ts', 0), node(2, 'f', 'file:///a/b.ts', 0)],
    samples: [1, 2, 1],
    timeDeltas: [0, 10, 20],
  };
  assert.deepEqual(selfTimes([profile, profile]), [{ name: 'f', place: 'b.ts:1', us: 60 }]);
  assert.deepEqual(selfTimes([]), []);
});
