/**
 * Clients that reuse their connections at random times while the process behind them stops or is
 * replaced: not one request may stay without an answer.
 */

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Prng } from '../../src/base/prng.ts';
import { simpleToml, startInFrontOf } from '../support/behind.ts';
import { Child } from '../support/child.ts';
import { freePorts } from '../support/free-port.ts';
import { startOrigin } from '../support/http-origin.ts';
import { baseToml, PROXY_BINARY } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { readResponses, responseField } from '../support/response-reader.ts';
import { scratchDirectory } from '../support/subject.ts';
import { delay, holdsWithin, until, within } from '../support/wait.ts';

const CLIENTS = 24;
/** Below the second that idle connections have when nobody succeeds the process. */
const PAUSE_MAX_MS = 400;

interface Outcomes {
  answered: number;
  /** Answers that said `Connection: close`. */
  lastAnswers: number;
  /** Requests sent on an open connection that got no whole answer. */
  readonly lost: string[];
  refused: number;
}

/** One client: asks, waits for a random time, asks again on the same connection if it may. */
async function useConnections(
  port: number,
  prng: Prng,
  outcomes: Outcomes,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const client = new RawClient(port);
    if (!(await holdsWithin(() => !client.socket.connecting, 2_000))) return;
    if (client.closed !== null) {
      outcomes.refused++; // Before it could ask for anything.
      return;
    }
    let isLast = false;
    for (let count = 1; !isLast && !isOver(); count++) {
      await delay(prng.integer(0, PAUSE_MAX_MS));
      client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const answers = () => readResponses(client.received, false).responses;
      await holdsWithin(() => answers()[count - 1]?.isComplete || client.closed !== null, 5_000);
      const answer = answers()[count - 1];
      if (answer?.isComplete !== true || answer.status !== 200) {
        outcomes.lost.push(`request ${count}: ${client.closed} ${answer?.status}`);
        break;
      }
      outcomes.answered++;
      isLast = responseField(answer, 'connection') === 'close';
      if (isLast) outcomes.lastAnswers++;
    }
    client.destroy();
  }
}

async function startLoad(t: test.TestContext, drainTimeout: string) {
  const origin = await startOrigin((_request, response) => void response.end('ok'));
  t.after(() => origin.close());
  const proxy = await startInFrontOf(t, origin.port, { drainTimeout });
  return { proxy, ...(await startClients(t, proxy.port)) };
}

async function startClients(t: test.TestContext, port: number) {
  const outcomes: Outcomes = { answered: 0, lastAnswers: 0, lost: [], refused: 0 };
  const state = { isOver: false };
  const running = Promise.all(
    Array.from({ length: CLIENTS }, (_, seed) =>
      useConnections(port, new Prng(seed + 1), outcomes, () => state.isOver),
    ),
  );
  t.after(() => (state.isOver = true));
  await until(() => outcomes.answered > CLIENTS * 2, 'some traffic');
  return { outcomes, state, running };
}

test('idle connections: a stop answers everybody once more', async (t) => {
  const { proxy, outcomes, running } = await startLoad(t, '10s');
  proxy.subject.child.signal('SIGTERM');
  await running;
  assert.deepEqual(outcomes.lost, []);
  assert.equal(outcomes.refused, CLIENTS, 'until nobody is let in any more');
  assert.ok(outcomes.lastAnswers >= CLIENTS - 2, `${outcomes.lastAnswers} were told to close`);
  const exit = await within(proxy.subject.child.exited, 'the exit', 5_000);
  assert.equal(exit.code, 0, proxy.subject.child.output);
});

test('idle connections: upgrades are not noticed', async (t) => {
  const { proxy, outcomes, state, running } = await startLoad(t, '10s');
  const { child } = proxy.subject;
  const readyCount = (): number => child.output.split('is ready').length - 1;
  for (let count = 1; count <= 2; count++) {
    const [ready, told] = [readyCount(), outcomes.lastAnswers];
    child.signal('SIGUSR2');
    await until(() => readyCount() > ready, 'the next process', 15_000);
    await until(() => outcomes.lastAnswers - told >= CLIENTS / 2, 'clients to move', 10_000);
  }
  state.isOver = true;
  await running;
  assert.deepEqual(outcomes.lost, []);
  assert.equal(outcomes.refused, 0);
});

test('idle connections: reloads that move and rename listeners are not noticed', async (t) => {
  const origin = await startOrigin((_request, response) => void response.end('ok'));
  t.after(() => origin.close());
  const [port, other] = (await freePorts(2)) as [number, number];
  const directory = scratchDirectory();
  const file = path.join(directory, 'proxy-now.toml');
  const write = (count: number): void => {
    const extra = `[listeners.a${count}]\naddress = "127.0.0.1:${other}"\n`;
    const toml = simpleToml(port, [`http://127.0.0.1:${origin.port}`]);
    const renamed = toml.replace('[listeners.web]', `[listeners.web${count}]`);
    fs.writeFileSync(file, baseToml({ drainTimeout: '10s' }) + (count % 2 ? extra : '') + renamed);
  };
  write(0);
  const child = new Child(PROXY_BINARY, ['run', '-c', file]);
  t.after(async () => {
    await child.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  await child.ready(/is ready/, 20_000);
  const { outcomes, state, running } = await startClients(t, port);
  for (let count = 1; count <= 10; count++) {
    write(count);
    child.signal('SIGHUP');
    const isListening = async (): Promise<boolean> => (await opens(other)) === (count % 2 === 1);
    await until(isListening, `reload ${count}`, 5_000);
  }
  state.isOver = true;
  await running;
  assert.deepEqual(outcomes.lost, []);
  assert.equal(outcomes.refused, 0);
  assert.equal(outcomes.lastAnswers, 0, 'nobody had to connect anew');
});

async function opens(port: number): Promise<boolean> {
  const client = new RawClient(port);
  await holdsWithin(() => !client.socket.connecting, 2_000);
  const isOpen = client.closed === null;
  client.destroy();
  return isOpen;
}
