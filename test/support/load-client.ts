/**
 * The load client as a process of its own, so that it shares no event loop with the origins.
 *
 *     node test/support/load-client.ts '{"port":8080,"rates":{"kept":100,"new":50,...},...}'
 *
 * It writes one JSON object per line: `started`; each second a `window` with the phase so far;
 * `report` at the end, with every phase, the whole run, and the POSTs whose fate is unknown.
 * It reads one word per line: `mark NAME` begins a phase, `stop` ends the run. It also ends when
 * its input does, and after `SECONDS_MAX`.
 */

import { createInterface } from 'node:readline';
import { Traffic, TRAFFIC_DEFAULTS, type TrafficPlan } from './load/traffic.ts';

const SECONDS_MAX = 5_400;

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const plan = { ...TRAFFIC_DEFAULTS, ...(JSON.parse(process.argv[2] ?? '{}') as object) };
const traffic = new Traffic(plan as TrafficPlan);
let isStopping = false;

async function stop(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  const phases = await traffic.stop();
  say({ type: 'report', phases, unanswered: traffic.unanswered, rss: process.memoryUsage.rss() });
  process.exit(0);
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  if (word === 'mark') {
    traffic.mark(rest.join(' '));
    say({ type: 'marked', name: rest.join(' ') });
  } else if (word === 'stop') void stop();
});
input.on('close', () => void stop());
setTimeout(() => void stop(), SECONDS_MAX * 1_000).unref();
setInterval(() => say({ type: 'window', ...traffic.current() }), 1_000).unref();
traffic.start();
say({ type: 'started' });
