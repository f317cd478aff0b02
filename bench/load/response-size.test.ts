import test from 'node:test';
import assert from 'node:assert/strict';
import { responseSize } from './response-size.ts';

test('response-size: adds head and body, whatever the case of the field name', () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-LENGTH: 64\r\nServer: x\r\n\r\n';
  assert.equal(responseSize(Buffer.from(`${head}abc`)), head.length + 64);
});

test('response-size: waits when the head is cut', () => {
  assert.equal(responseSize(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r')), -1);
  assert.equal(responseSize(Buffer.alloc(0)), -1);
});

test('response-size: does not take a length from the body or from another field', () => {
  const head = 'HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\nContent-Length: 5\r\n\r\n';
  assert.equal(responseSize(Buffer.from(head)), head.length + 5);
  assert.throws(() => responseSize(Buffer.from('HTTP/1.1 200 OK\r\n\r\nContent-Length: 5')));
});
