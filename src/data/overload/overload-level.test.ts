import assert from 'node:assert/strict';
import test from 'node:test';

import { CALM_SAMPLES, OverloadMeter } from './overload-level.ts';

test('overload: rises at each threshold and not below it', () => {
  const meter = new OverloadMeter();
  assert.equal(meter.update(0.849), false);
  assert.equal(meter.level, 0);
  assert.equal(meter.update(0.85), true);
  assert.equal(meter.level, 1);
  assert.equal(meter.update(0.919), false);
  assert.equal(meter.update(0.92), true);
  assert.equal(meter.level, 2);
  const sudden = new OverloadMeter();
  sudden.update(1.2);
  assert.equal(sudden.level, 2);
});

test('overload: falls by one level after a second of calm, not at the threshold', () => {
  const meter = new OverloadMeter();
  meter.update(0.95);
  for (let i = 0; i < 100; i++) assert.equal(meter.update(0.88), false); // Within the hysteresis.
  for (let i = 1; i < CALM_SAMPLES; i++) assert.equal(meter.update(0.1), false);
  assert.equal(meter.update(0.1), true);
  assert.equal(meter.level, 1);
  for (let i = 1; i < CALM_SAMPLES; i++) meter.update(0.1);
  assert.equal(meter.level, 1);
  assert.equal(meter.update(0.1), true);
  assert.equal(meter.level, 0);
  for (let i = 0; i < 10; i++) assert.equal(meter.update(0), false);
});

test('overload: one sample above restarts the wait for calm', () => {
  const meter = new OverloadMeter();
  meter.update(0.86);
  for (let i = 1; i < CALM_SAMPLES; i++) meter.update(0.2);
  meter.update(0.83);
  for (let i = 1; i < CALM_SAMPLES; i++) assert.equal(meter.update(0.2), false);
  assert.equal(meter.update(0.2), true);
});

test('overload: no known limit is no pressure', () => {
  const meter = new OverloadMeter();
  for (let i = 0; i < 10; i++) meter.update(0);
  assert.equal(meter.level, 0);
});
