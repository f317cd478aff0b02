import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SlotTable } from './slot-table.ts';

interface Node {
  readonly name: string;
  readonly value: number;
}

function tableOf(onLeave?: (before: Node, after: Node | null) => void): SlotTable<Node, Node> {
  return new SlotTable<Node, Node>({
    isEqual: (a, b) => a.value === b.value,
    makeSpec: (node) => ({ ...node }),
    ...(onLeave === undefined ? {} : { onLeave }),
  });
}

const list = (names: string, value = 0): Node[] => [...names].map((name) => ({ name, value }));
const names = (table: SlotTable<Node, Node>): string =>
  table.specs.map(({ name }) => name).join('');

test('slot-table: a node keeps its slot, a hole gets a new one or the last', () => {
  const table = tableOf();
  table.update(list('abcd'), null);
  assert.equal(names(table), 'abcd');
  table.update(list('xacd'), null); // The slot of b is free.
  assert.equal(names(table), 'axcd');
  const { moved } = table.update(list('xcd'), null);
  assert.equal(names(table), 'dxc');
  assert.deepEqual([...moved], ['d']);
  assert.equal(table.slotOf('d'), 0);
  assert.equal(table.slotAt(0), 1); // x is declared first.
});

test('slot-table: makes only the specs that changed, and the list only when one did', () => {
  const table = tableOf();
  table.update(list('abc'), null);
  const { specs } = table;
  assert.equal(table.update(list('abc'), null).placed.length, 0);
  assert.equal(table.specs, specs);
  table.update(list('cab'), null); // Another order is nothing to a slot.
  assert.equal(table.specs, specs);
  table.update([...list('ca'), { name: 'b', value: 1 }], null);
  assert.notEqual(table.specs, specs);
  assert.equal(specs[1]!.value, 0);
  assert.deepEqual(
    table.specs.map((spec, slot) => spec === specs[slot]),
    [true, false, true],
  );
  const stale = table.update(table.nodes, ({ name }) => name === 'c');
  assert.deepEqual(
    stale.placed.map(({ node }) => node.name),
    ['c'],
  );
});

test('slot-table: says which nodes leave before specs are made', () => {
  const seen: string[] = [];
  const table = tableOf((before, after) => {
    seen.push(`${before.name}${before.value} ${after?.value ?? '-'}`);
  });
  table.update(list('ab'), null);
  assert.deepEqual(seen, []);
  table.update([{ name: 'b', value: 2 }], null);
  assert.deepEqual(seen, ['a0 -', 'b0 2']);
});

test('slot-table: slots have no gap and specs are in their place, whatever happens', () => {
  const nodes = fc.uniqueArray(
    fc.record({ name: fc.constantFrom(...'abcdefghij'), value: fc.nat({ max: 1 }) }),
    { selector: ({ name }) => name },
  );
  fc.assert(
    fc.property(fc.array(nodes, { minLength: 1, maxLength: 8 }), (versions) => {
      const table = tableOf();
      let slots = new Map<string, number>();
      for (const version of versions) {
        const { moved } = table.update(version, null);
        assert.equal(table.specs.length, version.length);
        for (const [index, node] of version.entries()) {
          const slot = table.slotOf(node.name);
          assert.equal(table.slotAt(index), slot);
          assert.deepEqual({ ...table.specs[slot] }, { ...node });
          const old = slots.get(node.name);
          assert.equal(moved.has(node.name), old !== undefined && old !== slot);
          // What linking relies on: only nodes past the end of the list move.
          if (moved.has(node.name)) assert.ok(old! >= version.length);
        }
        slots = new Map(version.map(({ name }) => [name, table.slotOf(name)]));
      }
    }),
    { numRuns: 1_000 },
  );
});
