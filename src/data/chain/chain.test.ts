import assert from 'node:assert/strict';
import test from 'node:test';

import { Chain } from './chain.ts';
import type { Middleware, RequestContext, ResponseContext } from './middleware.ts';
import { Verdict } from './middleware.ts';

/** Chains hand contexts through and look at nothing of them. */
const REQUEST = {} as RequestContext;
const RESPONSE = {} as ResponseContext;

function recorder(name: string, log: string[], verdict: Verdict = Verdict.next): Middleware {
  return {
    name,
    onRequestHead(context) {
      assert.equal(context, REQUEST);
      log.push(`${name} request`);
      return verdict;
    },
    onResponseHead(context) {
      assert.equal(context, RESPONSE);
      log.push(`${name} response`);
    },
  };
}

test('chain: requests pass first to last, responses last to first', () => {
  const log: string[] = [];
  const chain = new Chain([recorder('a', log), recorder('b', log), recorder('c', log)]);
  assert.equal(chain.requestHead(REQUEST), Verdict.next);
  chain.responseHead(RESPONSE);
  const requests = ['a request', 'b request', 'c request'];
  assert.deepEqual(log, [...requests, 'c response', 'b response', 'a response']);
});

test('chain: stops at the first middleware that responds', () => {
  const log: string[] = [];
  const responding = recorder('b', log, Verdict.respond);
  const chain = new Chain([recorder('a', log), responding, recorder('c', log)]);
  assert.equal(chain.requestHead(REQUEST), Verdict.respond);
  assert.deepEqual(log, ['a request', 'b request']);
});

test('chain: leaves out what a middleware does not have', () => {
  const log: string[] = [];
  const { onRequestHead, onResponseHead } = recorder('x', log);
  const chain = new Chain([
    { name: 'only requests', onRequestHead: onRequestHead! },
    { name: 'nothing' },
    { name: 'only responses', onResponseHead: onResponseHead! },
  ]);
  assert.equal(chain.requestHead(REQUEST), Verdict.next);
  chain.responseHead(RESPONSE);
  assert.deepEqual(log, ['x request', 'x response']);
});

test('chain: calls middlewares as methods, so that they may have state', () => {
  class Counter implements Middleware {
    readonly name = 'counter';
    count = 0;

    onRequestHead(): Verdict {
      this.count++;
      return Verdict.next;
    }

    onResponseHead(): void {
      this.count += 10;
    }
  }
  const counter = new Counter();
  const chain = new Chain([counter]);
  chain.requestHead(REQUEST);
  chain.responseHead(RESPONSE);
  assert.equal(counter.count, 11);
});

test('chain: is empty when nothing would be called', () => {
  assert.equal(new Chain([]).isEmpty, true);
  assert.equal(new Chain([{ name: 'nothing' }]).isEmpty, true);
  assert.equal(new Chain([recorder('a', [])]).isEmpty, false);
});
