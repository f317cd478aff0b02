import assert from 'node:assert/strict';
import test from 'node:test';
import { latin1Bytes } from '../../../base/ascii.ts';
import { Method } from '../head.ts';
import { methodOf } from './method.ts';

function read(text: string): Method {
  return methodOf(latin1Bytes(`X${text}X`), 1, 1 + text.length);
}

test('method: knows every name in exact case, and nothing near it (RFC 9110 §9.1)', () => {
  for (const [name, method] of Object.entries(Method)) {
    if (method === Method.other) continue;
    const text = name.toUpperCase();
    assert.equal(read(text), method);
    for (let i = 0; i < text.length; i++) {
      const wrong = `${text.slice(0, i)}${text[i]!.toLowerCase()}${text.slice(i + 1)}`;
      assert.equal(read(wrong), Method.other, wrong);
    }
    assert.equal(read(`${text}S`), Method.other);
    assert.equal(read(text.slice(0, -1)), Method.other);
  }
  for (const text of ['', 'A', 'BREW', 'QUERY']) assert.equal(read(text), Method.other);
});
