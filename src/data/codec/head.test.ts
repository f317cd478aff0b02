import assert from 'node:assert/strict';
import test from 'node:test';
import { latin1Bytes } from '../../base/ascii.ts';
import { Field } from './field.ts';
import { parseRequestHead } from './h1/request-parser.ts';
import { type H1Limits, Method, RequestHead, ResponseHead } from './head.ts';

const limits: H1Limits = {
  headSizeMax: 1_024,
  fieldCountMax: 20,
  targetSizeMax: 128,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};
const TEXT =
  'GET http://b.test/a?b HTTP/1.1\r\nHost: a.test\r\nX-Id: 1\r\nCookie: a\r\nx-id: \xe9\r\n' +
  'Connection: close, x-id\r\nTE: trailers\r\n\r\n';

function parsed(): RequestHead {
  const head = new RequestHead(10);
  const bytes = Buffer.from(TEXT, 'latin1');
  assert.equal(parseRequestHead(head, bytes, 0, bytes.length, limits), bytes.length);
  return head;
}

test('head: finds fields by id and by name, from any index', () => {
  const { fields } = parsed();
  assert.equal(fields.find(Field.cookie), 2);
  assert.equal(fields.find(Field.cookie, 3), -1);
  assert.equal(fields.find(Field.via), -1);
  const name = latin1Bytes('x-id');
  assert.equal(fields.findName(name), 1);
  assert.equal(fields.findName(name, 2), 3);
  assert.equal(fields.findName(name, 4), -1);
});

test('head: gives names and values as latin-1 text', () => {
  const { fields } = parsed();
  assert.equal(fields.nameText(1), 'X-Id');
  assert.equal(fields.valueText(3), '\xe9');
});

test('head: reset makes a used head equal to a new one', () => {
  const head = parsed();
  head.reset();
  const fresh = new RequestHead(10);
  for (const key of ['nameStart', 'nameEnd', 'valueStart', 'valueEnd', 'id', 'isHop'] as const) {
    head.fields[key].fill(0); // Entries at or above `count` mean nothing.
  }
  assert.deepEqual(head, fresh);
  const response = new ResponseHead(10);
  response.status = 200;
  response.keepAlive = true;
  response.reset();
  assert.deepEqual(response, new ResponseHead(10));
});

test('head: knows every method by name', () => {
  const head = new RequestHead(1);
  for (const [name, method] of Object.entries(Method)) {
    if (method === Method.other) continue;
    head.method = method;
    assert.equal(head.methodText(), name.toUpperCase());
  }
});
