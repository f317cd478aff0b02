import test from 'node:test';
import assert from 'node:assert/strict';
import { PEER_NAMES, parseOptions } from './options.ts';
import { WORKLOADS } from './workloads.ts';

test('options: everything runs when nothing is said', () => {
  const options = parseOptions([]);
  assert.deepEqual(
    options.workloads,
    WORKLOADS.map((one) => one.name),
  );
  assert.deepEqual(options.peers, [...PEER_NAMES]);
  assert.equal(options.rounds, 5);
  assert.equal(options.isSaved, false);
});

test('options: the short form is small, and what is said beside it still counts', () => {
  const short = parseOptions(['--short']);
  assert.deepEqual([short.workloads, short.rounds, short.seconds], [['a', 'd1m'], 2, 2]);
  const longer = parseOptions(['--short', '--only', 'f', '--seconds', '7']);
  assert.deepEqual([longer.workloads, longer.rounds, longer.seconds], [['f'], 2, 7]);
});

test('options: an extra peer keeps every = of its command', () => {
  const { extraPeers } = parseOptions(['--peer', 'mine=A=1 run --port={port}']);
  assert.deepEqual(extraPeers, [{ name: 'mine', command: 'A=1 run --port={port}' }]);
});

test('options: refuses names, numbers and peers that make no sense', () => {
  const refused: [string[], RegExp][] = [
    [['--only', 'a,zz'], /no workload is called 'zz'/],
    [['--peers', 'apache'], /no peer is called 'apache'/],
    [['--rounds', '0'], /--rounds takes a whole number from 1 to 100, not '0'/],
    [['--seconds', '601'], /--seconds/],
    [['--seconds', '1.5'], /--seconds/],
    [['--peer', 'mine'], /NAME='COMMAND'/],
    [['--peer', 'mine='], /NAME='COMMAND'/],
    [['--peer', 'nginx=x'], /built in/],
    [['--colour'], /colour/],
  ];
  for (const [args, message] of refused) assert.throws(() => parseOptions(args), message);
});
