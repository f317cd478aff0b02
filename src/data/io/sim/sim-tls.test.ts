import assert from 'node:assert/strict';
import test from 'node:test';

import { Fault } from '../../../contract/fault.ts';
import { BackendProbe } from '../backend-probe.contract.ts';
import type { IoHarness, PairTls } from '../backend-pair.contract.ts';
import { describeTls } from '../backend.contract.ts';
import type { IoBackend } from '../backend.ts';
import type { SimPeer } from './sim-peer.ts';
import { SimClientContext, SimServerContext } from './sim-tls.ts';
import { Simulation } from './simulation.ts';

let seed = 1;

function open(memoryMax = 67_108_864): IoHarness {
  const simulation = new Simulation({ seed: seed++, memoryMax });
  return {
    backend: simulation,
    slab: simulation.chunks,
    until: async (isDone, what) => assert.ok(simulation.runUntil(isDone), `waited for ${what}`),
    settle: async () => simulation.advanceMs(100),
    unixPath: () => '/run/none.sock',
    close() {},
  };
}

function makeTls(_backend: IoBackend): PairTls {
  return {
    server: new SimServerContext({ clientAuth: 'none' }),
    alpn: ['http/1.1'],
    client: {
      context: new SimClientContext({ verify: true, cert: '' }),
      serverName: 'app.example',
      alpn: ['http/1.1'],
    },
  };
}

describeTls('sim', open, makeTls);

const ORIGIN = '10.0.0.1:443';
const TARGET = { kind: 'tcp', host: '10.0.0.1', port: 443 } as const;

function connect(simulation: Simulation, verify: boolean): BackendProbe {
  const probe = new BackendProbe(simulation);
  const context = new SimClientContext({ verify, cert: '' });
  const tls = { context, serverName: 'app.example', alpn: ['http/1.1'] };
  probe.connection = simulation.connect({ ...TARGET, tls }, probe);
  return probe;
}

test('simulation: a scripted origin speaks TLS, and can be distrusted or silent', () => {
  const simulation = new Simulation({ seed: 5 });
  const echo = { onBytes: (peer: SimPeer, bytes: Uint8Array): void => peer.send(bytes) };
  const first = simulation.listenOrigin(ORIGIN, () => echo, { alpn: ['http/1.1'] });
  const probe = connect(simulation, true);
  assert.ok(simulation.runUntil(() => probe.isOpen));
  assert.equal(probe.connection.tls?.alpn, 'http/1.1');
  probe.write(1, 1_000);
  probe.expectedSeed = 1;
  assert.ok(simulation.runUntil(() => probe.receivedSize === 1_000));
  simulation.untrust(ORIGIN);
  const careful = connect(simulation, true);
  const careless = connect(simulation, false);
  assert.ok(simulation.runUntil(() => careful.closeCount === 1 && careless.isOpen));
  assert.equal(careful.fault, Fault.upstreamCertificateInvalid);
  first.close();
  simulation.listenOrigin(ORIGIN, () => ({}), { alpn: [], isSilent: true });
  const waiting = connect(simulation, false);
  simulation.advanceMs(60_000);
  assert.equal(waiting.isOpen, false);
  assert.equal(waiting.closeCount, 0);
});

test('simulation: an origin that wants a certificate refuses who has none', () => {
  const simulation = new Simulation({ seed: 6 });
  const tls = { alpn: [], clientAuth: 'verify' } as const;
  const { peers } = simulation.listenOrigin(ORIGIN, () => ({}), tls);
  const probe = connect(simulation, false);
  assert.ok(simulation.runUntil(() => probe.closeCount === 1 && peers[0]?.isClosed === true));
  assert.equal(probe.fault, Fault.upstreamTlsFailed);
  assert.equal(peers[0]!.fault, Fault.tlsClientRefused);
});

test('simulation: a relay in between does not notice TLS', () => {
  const simulation = new Simulation({ seed: 7 });
  simulation.listenOrigin('10.0.0.2:443', () => ({ onOpen: (peer) => peer.send('hello') }), {
    alpn: ['h2', 'http/1.1'],
  });
  simulation.listenOrigin(ORIGIN, () => {
    let back: SimPeer | null = null;
    return {
      onOpen(front) {
        back = simulation.connectClient('10.0.0.2:443', {
          onBytes: (_peer, bytes) => front.send(bytes),
        });
      },
      onBytes: (_front, bytes) => back!.send(bytes),
    };
  });
  const probe = connect(simulation, true);
  assert.ok(simulation.runUntil(() => probe.receivedSize === 5));
  assert.equal(probe.connection.tls?.alpn, 'http/1.1');
});
