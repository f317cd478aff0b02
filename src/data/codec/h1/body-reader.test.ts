import assert from 'node:assert/strict';
import test from 'node:test';

import { latin1Bytes, latin1Text } from '../../../base/ascii.ts';
import { Fault } from '../../../contract/fault.ts';
import { Framing } from '../head.ts';
import { BodyReader, BodyState } from './body-reader.ts';

const LIMITS = {
  headSizeMax: 1_024,
  fieldCountMax: 10,
  targetSizeMax: 1_024,
  chunkExtensionSizeMax: 64,
  trailerSizeMax: 64,
};

function read(reader: BodyReader, text: string): { state: BodyState; data: string; rest: string } {
  const bytes = latin1Bytes(text);
  const state = reader.read(bytes, 0, bytes.length);
  return {
    state,
    data: latin1Text(bytes, reader.dataStart, reader.dataEnd),
    rest: text.slice(reader.position),
  };
}

test('body reader: ends a sized body at its length, over any number of reads', () => {
  const reader = new BodyReader(false);
  reader.begin(Framing.length, 5, LIMITS, 0);
  assert.deepEqual(read(reader, 'hel'), { state: BodyState.more, data: 'hel', rest: '' });
  assert.deepEqual(read(reader, 'loGET'), { state: BodyState.done, data: 'lo', rest: 'GET' });
});

test('body reader: has nothing to read when there is no body', () => {
  const reader = new BodyReader(true);
  reader.begin(Framing.none, 0, LIMITS, 0);
  assert.deepEqual(read(reader, 'HTTP'), { state: BodyState.done, data: '', rest: 'HTTP' });
  reader.begin(Framing.length, 0, LIMITS, 0);
  assert.deepEqual(read(reader, ''), { state: BodyState.done, data: '', rest: '' });
});

test('body reader: never ends a body that ends with its connection', () => {
  const reader = new BodyReader(true);
  reader.begin(Framing.close, -1, LIMITS, 0);
  assert.deepEqual(read(reader, 'abc'), { state: BodyState.more, data: 'abc', rest: '' });
});

test('body reader: decodes chunks and starts afresh after a fault', () => {
  const reader = new BodyReader(true);
  reader.begin(Framing.chunked, 0, LIMITS, 0);
  const done = { state: BodyState.done, data: 'hello', rest: 'X' };
  assert.deepEqual(read(reader, '2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nX'), done);
  reader.begin(Framing.chunked, 0, LIMITS, 0);
  assert.equal(read(reader, 'zz').state, BodyState.fault);
  assert.equal(reader.fault, Fault.responseChunkInvalid);
  reader.begin(Framing.chunked, 0, LIMITS, 3);
  assert.equal(read(reader, '4\r\n').state, BodyState.fault, 'the limit counts');
  reader.begin(Framing.length, 1, LIMITS, 0);
  assert.deepEqual(read(reader, 'a'), { state: BodyState.done, data: 'a', rest: '' });
  assert.equal(reader.fault, Fault.none);
});
