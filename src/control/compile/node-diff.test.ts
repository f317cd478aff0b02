import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { diffNodes } from './node-diff.ts';

interface Node {
  readonly name: string;
  readonly value: number;
}

const nodes = fc.uniqueArray(
  fc.record({ name: fc.constantFrom(...'abcdefghij'), value: fc.nat({ max: 1 }) }),
  { selector: ({ name }) => name },
);
const isEqual = (a: Node, b: Node): boolean => a.value === b.value;

test('diffNodes: accounts for every node of both lists', () => {
  fc.assert(
    fc.property(nodes, nodes, (before, after) => {
      const { origins, edited, removed, isReordered } = diffNodes(before, after, isEqual);
      assert.equal(origins.length, after.length);
      for (const [index, { name, value }] of after.entries()) {
        const old = before.findIndex((node) => node.name === name);
        assert.equal(origins[index], old);
        assert.equal(edited.includes(index), old >= 0 && before[old]!.value !== value);
      }
      const gone = before.flatMap(({ name }, old) =>
        after.some((node) => node.name === name) ? [] : [old],
      );
      assert.deepEqual([...removed].toSorted(), gone);
      const kept = [...origins].filter((old) => old >= 0);
      assert.equal(
        isReordered,
        kept.some((old, at) => at > 0 && old < kept[at - 1]!),
      );
    }),
    { numRuns: 1_000 },
  );
});

test('diffNodes: does not look into nodes that are the same object', () => {
  const list = [...'abcdef'].map((name) => ({ name, value: 0 }));
  const asked: string[] = [];
  const after = list.toSpliced(2, 1, { name: 'c', value: 1 });
  const { edited } = diffNodes(list, after, (a, b) => {
    asked.push(a.name);
    return isEqual(a, b);
  });
  assert.deepEqual(asked, ['c']);
  assert.deepEqual(edited, [2]);
});
