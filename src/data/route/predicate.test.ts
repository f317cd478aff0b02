import test from 'node:test';
import assert from 'node:assert/strict';
import { utf8Bytes } from '../../base/utf8.ts';
import type { RouteRequest, Rule } from '../../contract/routing.ts';
import { evaluate, linkPredicate } from './predicate.ts';
import { RequestTexts } from './request-texts.ts';

class FixedRequest implements RouteRequest {
  readonly hostBytes = utf8Bytes('x.a.test');
  readonly hostStart = 0;
  readonly hostEnd = 8;
  readonly pathBytes = utf8Bytes('/api/v1');
  readonly pathStart = 0;
  readonly pathEnd = 7;
  readonly listenerIndex = 2;
  asked: string[] = [];

  method(): string {
    this.asked.push('method');
    return 'GET';
  }

  clientAddress(): string {
    return '::ffff:10.1.2.3';
  }

  someHeader(name: string, visit: (value: string) => boolean): boolean {
    this.asked.push(name);
    return name === 'x-a' && (visit('one') || visit('two'));
  }

  query(): string {
    return 'q=1&r=a+b&s';
  }
}

function holds(rule: Rule | null, listeners: readonly number[] | null = null): boolean {
  return evaluate(linkPredicate(rule, listeners), new FixedRequest(), new RequestTexts());
}

const ROWS: [Rule, boolean][] = [
  [{ kind: 'host', host: 'x.a.test' }, true],
  [{ kind: 'host', host: 'a.test' }, false],
  [{ kind: 'host', host: '*.a.test' }, true],
  [{ kind: 'host', host: '*.test' }, false],
  [{ kind: 'host', host: '*.x.a.test' }, false],
  [{ kind: 'host', host: '*' }, true],
  [{ kind: 'hostRegexp', pattern: 'a\\.test$' }, true],
  [{ kind: 'hostRegexp', pattern: '^a' }, false],
  [{ kind: 'path', path: '/api/v1' }, true],
  [{ kind: 'path', path: '/api' }, false],
  [{ kind: 'pathPrefix', path: '/api' }, true],
  [{ kind: 'pathPrefix', path: '/api/' }, true],
  [{ kind: 'pathPrefix', path: '/api/v1' }, true],
  [{ kind: 'pathPrefix', path: '/api/v1/' }, false],
  [{ kind: 'pathPrefix', path: '/ap' }, false],
  [{ kind: 'pathPrefix', path: '/' }, true],
  [{ kind: 'pathRegexp', pattern: 'v[0-9]' }, true],
  [{ kind: 'pathRegexp', pattern: '^/API' }, false],
  [{ kind: 'pathRegexp', pattern: '(?i)^/API' }, true],
  [{ kind: 'method', method: 'GET' }, true],
  [{ kind: 'method', method: 'get' }, false],
  [{ kind: 'header', name: 'x-a', value: 'two' }, true],
  [{ kind: 'header', name: 'x-a', value: 'tw' }, false],
  [{ kind: 'header', name: 'x-b', value: '' }, false],
  [{ kind: 'headerRegexp', name: 'x-a', pattern: '^t' }, true],
  [{ kind: 'headerRegexp', name: 'x-a', pattern: '^x' }, false],
  [{ kind: 'query', name: 'q', value: '1' }, true],
  [{ kind: 'query', name: 'q', value: '' }, false],
  [{ kind: 'query', name: 's', value: null }, true],
  [{ kind: 'query', name: 't', value: null }, false],
  [{ kind: 'queryRegexp', name: 'r', pattern: '^a b$' }, true],
  [{ kind: 'queryRegexp', name: 't', pattern: '' }, false],
  [{ kind: 'clientIp', range: '10.0.0.0/8' }, true],
  [{ kind: 'clientIp', range: '::/0' }, false],
  [{ kind: 'and', rules: [] }, true],
  [{ kind: 'or', rules: [] }, false],
];

test('predicate: holds for exactly what each matcher means', () => {
  for (const [rule, expected] of ROWS) {
    assert.equal(holds(rule), expected, JSON.stringify(rule));
    assert.equal(holds({ kind: 'not', rule }), !expected, `not ${JSON.stringify(rule)}`);
    assert.equal(holds({ kind: 'and', rules: [rule] }), expected);
    assert.equal(holds({ kind: 'or', rules: [rule] }), expected);
  }
});

test('predicate: holds only on the listeners it is restricted to', () => {
  assert.equal(holds(null, null), true);
  assert.equal(holds(null, [2]), true);
  assert.equal(holds(null, [0, 1]), false);
  assert.equal(holds(null, [5]), false);
  assert.equal(holds(null, []), false);
  assert.equal(holds({ kind: 'method', method: 'GET' }, [0, 2]), true);
  assert.equal(holds({ kind: 'method', method: 'PUT' }, [0, 2]), false);
});

test('predicate: asks the cheaper part of a group first, in whatever order it is written', () => {
  const request = new FixedRequest();
  const header: Rule = { kind: 'header', name: 'x-a', value: 'none' };
  const rule: Rule = { kind: 'and', rules: [header, { kind: 'method', method: 'PUT' }] };
  assert.equal(evaluate(linkPredicate(rule, null), request, new RequestTexts()), false);
  assert.deepEqual(request.asked, ['method']);
});

test('predicate: gives regexps the texts of the current request', () => {
  const texts = new RequestTexts();
  const predicate = linkPredicate({ kind: 'pathRegexp', pattern: '^/api' }, null);
  const request = new FixedRequest();
  assert.equal(evaluate(predicate, request, texts), true);
  request.pathBytes.set(utf8Bytes('/xxx'));
  texts.clear();
  assert.equal(evaluate(predicate, request, texts), false);
});
