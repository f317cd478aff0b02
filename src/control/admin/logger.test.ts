import assert from 'node:assert/strict';
import test from 'node:test';

import type { LogLevel } from '../../contract/snapshot.ts';
import { LOG_VALUE_SIZE_MAX, createLogger, isLogLevel } from './logger.ts';

function open(format: 'text' | 'json', level: LogLevel = 'info') {
  const lines: string[] = [];
  const logger = createLogger({
    level,
    format,
    wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    write: (line) => lines.push(line),
  });
  return { lines, logger };
}

test('logger: a text line has time, level, message and fields', () => {
  const { lines, logger } = open('text');
  logger.info('listening', { listener: 'web', address: '[::]:8080', port: 8080, gone: undefined });
  logger.warn('slow', { note: 'two words', empty: '', none: null });
  assert.deepEqual(lines, [
    '2026-01-02T03:04:05.006Z info  listening listener=web address=[::]:8080 port=8080\n',
    '2026-01-02T03:04:05.006Z warn  slow note="two words" empty="" none=null\n',
  ]);
});

test('logger: a JSON line keeps its three names', () => {
  const { lines, logger } = open('json');
  logger.error('boom', { level: 'x', count: 2 });
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: '2026-01-02T03:04:05.006Z',
    level: 'error',
    message: 'boom',
    field_level: 'x',
    count: 2,
  });
});

test('logger: writes its level and worse, and follows a change at run time', () => {
  const { lines, logger } = open('text', 'warn');
  const all = (): number => {
    lines.length = 0;
    for (const level of ['error', 'warn', 'info', 'debug'] as const) {
      logger[level]('x');
      assert.equal(logger.isOn(level), lines.at(-1)?.includes(level) ?? false);
    }
    return lines.length;
  };
  assert.equal(all(), 2);
  logger.setLevel('debug');
  assert.equal(logger.level, 'debug');
  assert.equal(all(), 4);
  logger.setLevel('error');
  assert.equal(all(), 1);
});

test('logger: hostile text cannot start a line, reach a terminal or reorder text', () => {
  const hostile = 'a\r\n2026 error fake\u001b[2J\u2028\u202e\u0085\u007f "q" \\';
  for (const format of ['text', 'json'] as const) {
    const { lines, logger } = open(format);
    logger.info(hostile, { value: hostile });
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^[^\p{Cc}\p{Zl}\u202e]*\n$/u);
    if (format === 'json') {
      const parsed = JSON.parse(lines[0]!) as { message: string; value: string };
      assert.deepEqual([parsed.message, parsed.value], [hostile, hostile]);
    }
  }
});

test('logger: long values are cut', () => {
  const { lines, logger } = open('text');
  logger.info('x', { value: 'a'.repeat(LOG_VALUE_SIZE_MAX) });
  logger.info('x', { value: 'a'.repeat(LOG_VALUE_SIZE_MAX + 1) });
  assert.ok(lines[0]!.endsWith('a\n'));
  assert.ok(lines[1]!.endsWith('a...\n'));
});

test('logger: level names', () => {
  assert.ok(isLogLevel('debug'));
  for (const other of ['DEBUG', '', 'trace', 'toString', 1, null])
    assert.equal(isLogLevel(other), false);
});
