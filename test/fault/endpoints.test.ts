/** F6, F7, F8: endpoints die, stop, are slow, flap; clients notice next to nothing. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { fetchFrom } from '../support/http-origin.ts';
import { phaseOf } from '../support/load/processes.ts';
import { delay, until } from '../support/wait.ts';
import { assertClean, failuresBut } from './clean.ts';
import { endpointEvents, missesOfEndpoints, QUICK_HEALTH } from './endpoint-events.ts';
import { IS_FULL, inForm } from './form.ts';
import { ProxyStage } from './proxy-stage.ts';

for (const kind of ['killed', 'stopped', 'slow', 'flapping'] as const) {
  const id = kind === 'killed' ? 'F6' : 'F8';
  test(`${id} endpoints: one ${kind} costs one GET at most, no POST is sent twice`, async (t) => {
    const stage = await ProxyStage.open(t, { rate: inForm(120, 300), service: QUICK_HEALTH });
    const result = await endpointEvents(stage, [kind]);
    const [event] = result.events;
    const misses = missesOfEndpoints(result);
    // On a busy machine the times of the short form say little.
    const judged = IS_FULL ? misses : misses.filter((miss) => !miss.endsWith(' ms'));
    assert.deepEqual(judged, [], `${event!.samples.join('\n')}\n${result.duplicated.join('\n')}`);
    if (kind !== 'flapping') assert.notEqual(event!.ejectedMs, -1, 'it was ejected');
    assert.notEqual(event!.backMs, -1, 'it came back');
  });
}

test('F7 endpoints: all gone is 503 at once with Retry-After; then it is as before', async (t) => {
  const stage = await ProxyStage.open(t, { rate: 100, service: QUICK_HEALTH });
  await stage.client.answers(100);
  await stage.client.mark('gone');
  for (const origin of stage.origins) await origin.kill();
  const isKnown = async (): Promise<boolean> => {
    const ups = await Promise.all([0, 1, 2].map((i) => stage.isUp(i)));
    return ups.every((isUp) => isUp === false);
  };
  await until(isKnown, 'all endpoints to be down', 5_000);
  const times: number[] = [];
  for (let i = 0; i < 10; i++) {
    const startedMs = performance.now();
    const { status, headers } = await fetchFrom(stage.port, '/all/x?size=1');
    times.push(performance.now() - startedMs);
    assert.ok([502, 503].includes(status), `status ${status}`);
    if (status === 503) assert.match(String(headers['retry-after']), /^\d+$/);
  }
  const median = times.toSorted((a, b) => a - b)[5]!;
  assert.ok(median < inForm(1_000, 50), `${median} ms`);
  for (const origin of stage.origins) await origin.restart();
  const startedMs = performance.now();
  const isBack = async (): Promise<boolean> =>
    (await fetchFrom(stage.port, '/all/x?size=1')).status === 200;
  await until(isBack, 'the first answer', 5_000);
  assert.ok(performance.now() - startedMs < inForm(8_000, 2_000));
  await delay(1_500);
  await stage.client.mark('back');
  await stage.client.answers(100);
  const report = await stage.client.stop();
  const gone = phaseOf(report, 'gone');
  const allowed = /status-50[234]$|reset-mid-answer$|truncated$/;
  assert.deepEqual(failuresBut(gone, allowed), {}, gone.samples.join('\n'));
  assertClean(phaseOf(report, 'back'), ['new', 'kept', 'post']);
});

test('F7 endpoints: when checks say that most are down, they are asked all the same', async (t) => {
  const service = QUICK_HEALTH.replace('/check?size=1', '/check?size=1&bad=e1,e2');
  const stage = await ProxyStage.open(t, { rate: 100, service: `panic-percent = 50\n${service}` });
  const isPanic = async (): Promise<boolean> => (await stage.metric('service_panic')) === 1;
  await until(isPanic, 'the panic', 10_000);
  await stage.client.mark('panic');
  await stage.client.answers(150);
  const report = await stage.client.stop();
  const phase = phaseOf(report, 'panic');
  assertClean(phase, ['new', 'kept', 'post']);
  for (const name of ['e0', 'e1', 'e2']) assert.ok(phase.endpoints[name]! > 10, name);
});
