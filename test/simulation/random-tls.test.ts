/**
 * Random worlds with TLS: clients of every kind come, ask, break off and go, while policies,
 * certificates, ticket secrets and passthroughs change. Whatever happens, nothing leaks, no bug is
 * caught by the last resort, and no answer reaches a client that it is not for.
 *
 * `SEED=n` in the environment runs that seed alone, `SEEDS=n` sets how many a run takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Prng } from '../../src/base/prng.ts';
import { WorkerCell } from '../../src/contract/metric-layout.ts';
import type { Snapshot } from '../../src/contract/snapshot.ts';
import { helloRecord } from '../../src/data/io/sim/sim-tls.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import { responsesOf } from './requests.ts';
import { listenOrigin, okWith } from './scripted-origin.ts';
import {
  beginTls,
  certificate,
  NAMES,
  passthrough,
  policy,
  TLS_STATE,
  withTls,
} from './tls-world.ts';
import { appToml, compileToml, LISTENER, ORIGIN, World } from './world.ts';

const only = process.env['SEED'];
const SEEDS = Number(process.env['SEEDS'] ?? 60);
const STEPS = 40;
const ECHO = '10.0.0.2:80';
const TOML = `${appToml()}
[services.echo]
endpoints = ["http://${ECHO}"]
`;
const HOSTS = ['a.test', 'b.test', 'x.wild.test', 'unknown.test', 'db.test', ''];

interface Client {
  readonly peer: SimPeer;
  /** What its requests are answered with, if they are. */
  readonly tag: string;
}

/** One generation of many: TLS on or off, a client certificate asked for or not. */
function generationOf(base: Snapshot, prng: Prng, generation: number): Snapshot {
  const isTls = prng.chance(0.85);
  const policies = [
    policy('default', prng.chance(0.3) ? { ciphers: ['TLS_AES_256_GCM_SHA384'] } : {}),
    policy('mutual', { clientAuth: 'require' }),
  ];
  const snapshot = withTls(
    { ...base, generation },
    {
      listener: { tls: isTls ? 0 : -1 },
      route: { plainHttp: prng.chance(0.3) ? 'redirect' : 'serve', hsts: 'max-age=1' },
      tls: {
        policies,
        hosts: prng.chance(0.5) ? [{ host: 'b.test', listeners: null, policy: 1 }] : [],
        passthroughs: prng.chance(0.7)
          ? [passthrough({ service: 1, streamsOnChangeMs: prng.chance(0.5) ? 50 : -1 })]
          : [],
        handshakesPerAddressMax: prng.chance(0.2) ? 20 : 0,
      },
    },
  );
  return snapshot;
}

function openClient(world: World, prng: Prng, id: number): Client {
  const tag = `c${id}`;
  const request = `GET /${tag} HTTP/1.1\r\nHost: ${prng.chance(0.2) ? 'b.test' : 'a.test'}\r\n\r\n`;
  const serverName = HOSTS[prng.integer(0, HOSTS.length - 1)]!;
  if (prng.chance(0.2)) {
    const peer = world.sim.connectClient(LISTENER);
    peer.send(prng.chance(0.5) ? request : helloRecord(serverName, [], false));
    return { peer, tag };
  }
  const peer = beginTls(world, { serverName, hasCertificate: prng.chance(0.5) });
  for (let i = prng.integer(0, 3); i > 0; i--) peer.send(request);
  return { peer, tag };
}

function disturb(world: World, prng: Prng): void {
  switch (prng.integer(0, 3)) {
    case 0: {
      const name = NAMES[prng.integer(0, NAMES.length - 1)]!;
      world.data.updateCertificates({ add: [], remove: [`id of ${name}`] });
      world.data.updateCertificates({ add: [certificate(name)], remove: [] });
      return;
    }
    case 1: {
      const current = new Uint8Array(32).fill(prng.integer(0, 255));
      world.data.setTicketSecrets({ current, previous: TLS_STATE.ticketSecrets.current });
      return;
    }
    case 2: {
      const challenge = { host: 'a.test', token: 't', keyAuthorization: 't.x' };
      world.data.setChallenges(prng.chance(0.5) ? [{ kind: 'http-01', ...challenge }] : []);
      return;
    }
    default:
      world.sim.handshakeMs = prng.integer(0, 30);
  }
}

function leave(client: Client, prng: Prng): void {
  const how = prng.integer(0, 2);
  if (how === 0) client.peer.reset();
  else if (how === 1) client.peer.abort();
  else client.peer.end();
}

/** An answer is its own client's, or one of ours. */
function checkAnswers({ peer, tag }: Client): void {
  if (!peer.isOpen || !peer.text().startsWith('HTTP/')) return;
  for (const { status, body, isComplete } of responsesOf(peer)) {
    if (!isComplete) continue;
    if (status === 200) assert.equal(body.toString(), tag);
    else assert.ok([308, 400, 403, 421, 499, 502, 503].includes(status), String(status));
  }
}

function runSeed(base: Snapshot, seed: number): number {
  const prng = new Prng(seed);
  const world = new World(generationOf(base, prng, 1), {
    seed,
    tls: TLS_STATE,
    splitChance: 0.3,
    partialWriteChance: 0.3,
  });
  listenOrigin(world.sim, ORIGIN, {
    onRequest: (request, peer) => peer.send(okWith(request.target.slice(1))),
  });
  world.sim.listenOrigin(ECHO, () => ({
    onBytes: (peer, bytes) => peer.send(bytes),
    onEnd: (peer) => peer.end(),
  }));
  const clients: Client[] = [];
  for (let step = 0; step < STEPS; step++) {
    const dice = prng.next();
    if (dice < 0.6) clients.push(openClient(world, prng, clients.length));
    else if (dice < 0.75 && clients.length > 0) {
      leave(clients[prng.integer(0, clients.length - 1)]!, prng);
    } else if (dice < 0.9) disturb(world, prng);
    else world.publish(generationOf(base, prng, step + 2), prng.chance(0.5) ? ['db', 'all'] : []);
    world.advance(prng.integer(0, 20));
  }
  world.advance(200);
  clients.forEach(checkAnswers);
  const served = clients.filter(({ peer }) => peer.text().includes(' 200 OK')).length;
  for (const client of clients) if (prng.chance(0.7)) leave(client, prng);
  world.drain();
  world.advance(100_000);
  for (const { peer } of clients) if (!peer.isClosed) peer.abort();
  world.assertQuiet();
  assert.equal(world.cells[WorkerCell.handshakesInProgress], 0);
  return served;
}

test('random tls: nothing leaks, breaks or is answered to another', async () => {
  const base = await compileToml(TOML);
  let served = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    if (only !== undefined && seed !== Number(only)) continue;
    try {
      served += runSeed(base, seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert.ok(only !== undefined || served > SEEDS, `only ${served} clients were served`);
});
