import test from 'node:test';
import assert from 'node:assert/strict';
import { RANK_NONE } from '../../contract/router-tables.ts';
import { specificityOf } from '../config/specificity.ts';
import { rankBetween, spreadRanks } from './route-ranks.ts';

const routes = ['/a', '/abc', '/ab', '/xy'].map((path) => {
  return { specificity: specificityOf({ kind: 'pathPrefix', path }), priority: 0 };
});

test('route-ranks: spreads ranks in order of precedence, declaration last', () => {
  const ranks = spreadRanks(routes);
  const order = [1, 2, 3, 0].map((index) => ranks[index]!);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.ok(order[0]! > 0 && order[3]! < RANK_NONE);
  assert.equal(spreadRanks([]).length, 0);
});

test('route-ranks: finds a rank between neighbours until there is none', () => {
  const known = [400, 100, -1, 103];
  const rankOf = (index: number): number => known[index]!;
  assert.equal(rankBetween(routes, 2, rankOf), 101); // Before /xy, which is declared later.
  known[1] = 102;
  assert.equal(rankBetween(routes, 2, rankOf), -1);
  known[1] = -1;
  assert.equal(rankBetween(routes, 2, rankOf), 51);
  known.fill(-1);
  assert.ok(rankBetween(routes, 2, rankOf) > 0);
});
