import test from 'node:test';
import assert from 'node:assert/strict';
import { latin1Bytes } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import { HISTOGRAM_BUCKETS, HISTOGRAM_SUM } from '../../contract/histogram.ts';
import { WorkerCell } from '../../contract/metric-layout.ts';
import { ADDRESS, Bench, alertOf } from './acceptance-bench.contract.ts';
import { ClientHello, readClientHello } from './client-hello.ts';
import {
  alpn,
  fragmented,
  helloBytes,
  helloMessage,
  helloWith,
  joined,
  serverName,
} from './hello-bytes.contract.ts';
import { ja4 } from './ja4.ts';
import {
  certificate,
  faultsOf,
  listenerTls,
  policySpec,
  tlsSpec,
} from './tls-fixtures.contract.ts';

function fingerprintOf(bytes: Uint8Array): string {
  const hello = new ClientHello();
  assert.equal(readClientHello(bytes, 0, bytes.length, hello), 0);
  return ja4(hello);
}

const HELLO = helloWith(serverName('a.test'), alpn('http/1.1'));

test('acceptance: a hello becomes a secure connection', () => {
  const bench = new Bench();
  bench.send(HELLO);
  assert.deepEqual(bench.said, ['secure a.test default']);
  assert.deepEqual(bench.counts(), [1, 0, 0, 0]);
  assert.equal(bench.cells[WorkerCell.tlsContextsBuilt], 1);
  const { handshakeUs } = WorkerCell;
  const observed = bench.cells.subarray(handshakeUs, handshakeUs + HISTOGRAM_BUCKETS);
  assert.equal(
    observed.reduce((sum, count) => sum + count, 0),
    1,
  );
  const micros = bench.cells[handshakeUs + HISTOGRAM_SUM]!;
  assert.ok(micros >= 2_000 && micros < 10_000, `the simulated handshake took ${micros} µs`);
  const acceptance = bench.acceptances[0]!;
  assert.equal(acceptance.connection.tls!.alpn, 'http/1.1');
  assert.equal(acceptance.fingerprint, '', 'nobody wants it');
  bench.check();
});

test('acceptance: however the hello arrives', () => {
  const message = helloMessage({ extensions: [serverName('a.test'), alpn('http/1.1')] });
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new Bench({ seed });
    const bytes = fragmented(message, 1 + (seed % 5));
    const peer = bench.sim.connectClient(ADDRESS);
    for (let at = 0; at < bytes.length; at += seed) {
      peer.send(bytes.subarray(at, at + seed));
      bench.sim.advanceMs(5);
    }
    bench.sim.advanceMs(100);
    assert.equal(bench.acceptances[0]!.serverName, 'a.test', `seed ${seed}`);
    bench.check();
  }
});

test('acceptance: who speaks no TLS is told so, in its own words', () => {
  const message = helloMessage({});
  const rows: [string, Uint8Array, number][] = [
    ['another message', Uint8Array.from([22, 3, 1, 0, 4, 2, ...message.slice(1, 4)]), 10],
    ['a cipher change', Uint8Array.of(20, 3, 3, 0, 1, 1), 10],
    ['an extension twice', helloWith(alpn('h2'), alpn('h2')), 50],
    ['a hello too large', Uint8Array.of(22, 3, 1, 64, 0, 1, 1, 0, 0), 50],
    ['SSL 2.0', Uint8Array.of(0x80, 0x2e, 1, 0, 2), 70],
  ];
  for (const [what, bytes, alert] of rows) {
    const bench = new Bench();
    const peer = bench.send(bytes);
    assert.equal(alertOf(peer), alert, what);
    assert.equal(peer.hasEnded, true, what);
    peer.end();
    bench.sim.advanceMs(10_000);
    assert.deepEqual(bench.said, [`gone ${Fault.tlsHelloInvalid}`], what);
    assert.deepEqual(faultsOf(bench.cells), { [Fault.tlsHelloInvalid]: 1 }, what);
    assert.deepEqual(bench.counts(), [0, 0, 1, 0], what);
    bench.check();
  }
  const bench = new Bench();
  const peer = bench.send(latin1Bytes('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'));
  const [head, body] = peer.text().split('\r\n\r\n');
  assert.match(head!, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(head!, new RegExp(`Content-Length: ${body!.length}\r\n`));
  assert.equal(peer.hasEnded, true);
  assert.equal(bench.send(new Uint8Array(100)).receivedSize, 0, 'nothing for what is not TLS');
  bench.sim.advanceMs(10_000);
  bench.check();
});

test('acceptance: names without a certificate are refused, or get the default', () => {
  const refuse = new Bench();
  for (const extension of [serverName('b.test'), alpn('http/1.1'), serverName('a.test.')]) {
    assert.equal(alertOf(refuse.send(helloWith(extension))), 112);
  }
  assert.deepEqual(faultsOf(refuse.cells), { [Fault.tlsNameRefused]: 3 });
  const policies = [policySpec({ unknownName: 'default', noName: 'default' })];
  const lenient = new Bench({ tls: { policies } });
  lenient.send(helloWith(serverName('b.test')));
  lenient.send(helloWith());
  assert.equal(alertOf(lenient.send(helloWith(serverName('a.test.')))), 112, 'a name that is none');
  assert.deepEqual(lenient.said, ['secure b.test default', 'secure  default']);
  const empty = new Bench({ tls: { policies }, state: { certificates: [] } });
  assert.equal(alertOf(empty.send(HELLO)), 112, 'there is none at all');
  for (const bench of [refuse, lenient, empty]) {
    bench.sim.advanceMs(10_000);
    bench.check();
  }
});

test('acceptance: without a name the address that was connected to counts', () => {
  const built: string[] = [];
  const certificates = [
    certificate('name', ['a.test'], { notAfterMs: 9e9 }),
    certificate('address', ['127.0.0.1'], { notAfterMs: 9e9 }),
  ];
  const policies = [policySpec({ noName: 'default' })];
  const bench = new Bench({ tls: { policies }, state: { certificates } });
  const { sim } = bench;
  sim.serverTls = (options) => {
    built.push((options.certificates[0] as unknown as { id: string }).id);
    return 'not needed here';
  };
  assert.equal(alertOf(bench.send(helloWith())), 80);
  assert.deepEqual(built, ['address']);
  assert.match(bench.said[0]!, /^no TLS context for certificate address/);
  bench.sim.advanceMs(10_000);
  bench.check();
});

test('acceptance: a handshake that fails has its fault', () => {
  const strict = policySpec({ name: 'strict', clientAuth: 'verify', clientCas: ['ca'] });
  const hosts = [{ host: 'a.test', listeners: null, policy: 1 }];
  const bench = new Bench({ tls: { policies: [policySpec(), strict], hosts } });
  bench.send(HELLO);
  bench.sim.advanceMs(10_000);
  assert.deepEqual(bench.said, [`gone ${Fault.tlsClientRefused}`]);
  bench.listenerTls = listenerTls(tlsSpec());
  bench.send(helloWith(serverName('a.test'), alpn('ftp')));
  bench.sim.advanceMs(10_000);
  assert.deepEqual(bench.said.slice(1), [`gone ${Fault.tlsHandshakeFailed}`]);
  assert.deepEqual(bench.counts(), [0, 0, 2, 0]);
  bench.check();
});

test('acceptance: every state has a time', () => {
  const half = HELLO.subarray(0, 20);
  const policies = [policySpec({ handshakeTimeoutMs: 1_000 })];
  const silent = new Bench({ tls: { policies } });
  const peer = silent.sim.connectClient(ADDRESS);
  silent.sim.advanceMs(900);
  assert.equal(peer.hasEnded, false);
  silent.sim.advanceMs(300);
  assert.equal(peer.hasEnded, true, 'who says nothing');
  silent.sim.advanceMs(10_000);
  assert.deepEqual(silent.said, [`gone ${Fault.none}`]);
  assert.deepEqual(silent.counts(), [0, 0, 0, 0]);

  const slow = new Bench({ tls: { policies } });
  const drip = slow.send(half, 0);
  for (let at = 20; at < 32; at++) {
    slow.sim.advanceMs(100);
    drip.send(HELLO.subarray(at, at + 1));
  }
  assert.equal(drip.hasEnded, true, 'who says it too slowly');
  slow.sim.advanceMs(10_000);
  assert.deepEqual(slow.said, [`gone ${Fault.tlsHandshakeTimeout}`]);

  const late = new Bench({ tls: { policies } });
  const lateHello = late.sim.connectClient(ADDRESS);
  late.sim.advanceMs(900);
  lateHello.send(half);
  late.sim.advanceMs(900);
  lateHello.send(HELLO.subarray(20));
  late.sim.advanceMs(50);
  assert.deepEqual(late.said, ['secure a.test default'], 'its time begins with its first byte');

  const stuck = new Bench({ tls: { policies } });
  stuck.sim.handshakeMs = 60_000;
  stuck.send(HELLO, 900);
  assert.deepEqual(stuck.counts(), [0, 0, 0, 1]);
  stuck.sim.advanceMs(300);
  assert.deepEqual(stuck.said, [`gone ${Fault.tlsHandshakeTimeout}`]);
  for (const bench of [silent, slow, late, stuck]) bench.check();
});

test('acceptance: the time of a handshake is that of its name', () => {
  const quick = policySpec({ name: 'quick', handshakeTimeoutMs: 200 });
  const hosts = [{ host: 'a.test', listeners: null, policy: 1 }];
  const bench = new Bench({ tls: { policies: [policySpec(), quick], hosts } });
  bench.sim.handshakeMs = 60_000;
  bench.send(HELLO, 400);
  assert.deepEqual(bench.said, [`gone ${Fault.tlsHandshakeTimeout}`]);
  bench.check();
});

test('acceptance: clients that leave are told apart', () => {
  const rows: [string, Uint8Array, Fault][] = [
    ['before the first byte', new Uint8Array(0), Fault.none],
    ['in the hello', HELLO.subarray(0, 50), Fault.tlsHandshakeFailed],
    ['in the handshake', HELLO, Fault.tlsHandshakeFailed],
  ];
  for (const [what, bytes, fault] of rows) {
    for (const leaves of ['end', 'reset'] as const) {
      const bench = new Bench();
      bench.sim.handshakeMs = 5_000;
      const peer = bench.send(bytes);
      peer[leaves]();
      bench.sim.advanceMs(10_000);
      assert.deepEqual(bench.said, [`gone ${fault}`], `${what} ${leaves}`);
      bench.check();
    }
  }
});

test('acceptance: a denied fingerprint is turned away, and one that is wanted is told', () => {
  const wanting = new Bench({ wantsFingerprint: true });
  wanting.send(HELLO);
  const { fingerprint } = wanting.acceptances[0]!;
  assert.match(fingerprint, /^t13d0103h1_[0-9a-f]{12}_[0-9a-f]{12}$/);
  const policies = [policySpec({ denyFingerprints: [fingerprint] })];
  const denying = new Bench({ tls: { policies } });
  assert.equal(alertOf(denying.send(HELLO)), 49);
  denying.send(helloWith(serverName('a.test'), alpn('http/1.1'), [0x1234, []]));
  assert.deepEqual(denying.said, ['secure a.test default']);
  assert.deepEqual(faultsOf(denying.cells), { [Fault.tlsFingerprintDenied]: 1 });
  denying.sim.advanceMs(10_000);
  denying.check();
});

test('acceptance: an address has so many handshakes a second', () => {
  const bench = new Bench({ tls: { handshakesPerAddressMax: 2 } });
  const peers = [0, 1, 2].map(() => bench.sim.connectClient(ADDRESS));
  for (const peer of peers) peer.send(HELLO);
  bench.sim.advanceMs(100);
  const secure = 'secure a.test default';
  assert.deepEqual(bench.said.toSorted(), [`gone ${Fault.tlsHandshakeLimit}`, secure, secure]);
  assert.deepEqual(peers.map((peer) => peer.fault).toSorted(), [Fault.upstreamReset, null, null]);
  bench.sim.advanceMs(1_000);
  bench.send(HELLO);
  assert.equal(bench.counts()[0], 3);
  bench.check();
});

test('acceptance: a challenge is answered with its certificate alone', () => {
  const hello = helloWith(serverName('c.test'), alpn('acme-tls/1'));
  const challenges = [{ kind: 'tls-alpn-01', host: 'c.test', cert: 'c', key: 'k' }] as const;
  const policies = [policySpec({ clientAuth: 'verify', denyFingerprints: [fingerprintOf(hello)] })];
  const bench = new Bench({ tls: { policies }, state: { challenges } });
  const peer = bench.send(hello);
  assert.equal(peer.bytes()[0], 22, 'a handshake');
  assert.equal(peer.hasEnded, true);
  peer.end();
  bench.sim.advanceMs(10_000);
  assert.deepEqual(bench.said, [`gone ${Fault.none}`]);
  assert.deepEqual(bench.counts(), [1, 0, 0, 0]);
  const other = bench.send(helloWith(serverName('c.test'), alpn('acme-tls/1', 'http/1.1')));
  assert.equal(alertOf(other), 49, 'who offers more is as anybody else');
  bench.sim.advanceMs(10_000);
  bench.check();
});

test('acceptance: without its challenge acme-tls/1 is a protocol nobody speaks', () => {
  const bench = new Bench();
  const peer = bench.send(helloWith(serverName('a.test'), alpn('acme-tls/1')));
  assert.equal(peer.bytes().at(-1), 120);
  bench.sim.advanceMs(10_000);
  assert.deepEqual(faultsOf(bench.cells), { [Fault.tlsHandshakeFailed]: 1 });
  bench.check();
});

const PASSTHROUGH = {
  name: 'db',
  listeners: null,
  service: 0,
  streamsOnChangeMs: -1,
  metricIndex: 0,
};

test('acceptance: a passthrough gets every byte from the first one on', () => {
  const passthroughs = [{ ...PASSTHROUGH, hosts: ['db.test', '*.a.test'] }];
  const bench = new Bench({ tls: { passthroughs } });
  const hello = helloWith(serverName('db.test'));
  bench.send(joined([hello, Uint8Array.of(1, 2, 3)]));
  assert.match(bench.said[0]!, /^pass db\.test db \d+ 22$/);
  const peer = bench.send(hello.subarray(0, 30));
  peer.send(hello.subarray(30));
  bench.sim.advanceMs(100);
  assert.equal(bench.said[1], `pass db.test db ${hello.length} 22`);
  bench.send(HELLO);
  assert.equal(bench.said[2], 'secure a.test default');
  assert.deepEqual(bench.counts(), [1, 0, 0, 0]);
  bench.check();
});

test('acceptance: our own challenge goes before a passthrough of its name', () => {
  const passthroughs = [{ ...PASSTHROUGH, hosts: ['c.test'] }];
  const challenges = [{ kind: 'tls-alpn-01', host: 'c.test', cert: 'c', key: 'k' }] as const;
  const bench = new Bench({ tls: { passthroughs }, state: { challenges } });
  bench.send(helloWith(serverName('c.test'), alpn('acme-tls/1')));
  bench.worker.setChallenges([]);
  bench.send(helloWith(serverName('c.test'), alpn('acme-tls/1')));
  bench.sim.advanceMs(10_000);
  assert.equal(bench.counts()[0], 1);
  assert.match(bench.said.join(), /pass c\.test db/);
  bench.check();
});

test('acceptance: makes room while it is silent, and ends when told to', () => {
  const bench = new Bench();
  bench.sim.connectClient(ADDRESS);
  bench.send(HELLO.subarray(0, 30));
  bench.sim.handshakeMs = 5_000;
  bench.send(HELLO);
  const [silent, begun, shaking] = bench.acceptances;
  assert.equal(silent!.isSilent, true);
  assert.equal(begun!.isSilent, false);
  assert.equal(silent!.unusedMs, -1, 'it has just come');
  bench.sim.advanceMs(1_500);
  assert.ok(silent!.unusedMs >= 1_500);
  assert.ok(begun!.unusedMs >= 1_500);
  assert.equal(shaking!.unusedMs, -1);
  silent!.makeRoom();
  begun!.abort();
  shaking!.abort();
  shaking!.abort();
  assert.deepEqual(bench.said, [
    `gone ${Fault.none}`,
    `gone ${Fault.aborted}`,
    `gone ${Fault.aborted}`,
  ]);
  bench.sim.advanceMs(10_000);
  assert.equal(bench.said.length, 3);
  bench.check();
});

test('acceptance: an owner that throws loses one connection', () => {
  const bench = new Bench();
  bench.throwsOnSecure = true;
  const peer = bench.send(HELLO);
  assert.equal(bench.errors.length, 1);
  assert.equal(peer.isClosed || peer.hasEnded, true);
  bench.throwsOnSecure = false;
  bench.send(HELLO);
  assert.deepEqual(bench.said, ['secure a.test default']);
  assert.deepEqual(bench.sim.chunks.leaks(), []);
});

test('acceptance: a reload that takes TLS away leaves no handshake behind', () => {
  const bench = new Bench({ tls: { onDemand: ['*'] } });
  bench.send(helloBytes({ extensions: [serverName('x.test')] }));
  bench.listenerTls = null;
  bench.worker.settleCertificate('x.test');
  bench.sim.advanceMs(10_000);
  assert.deepEqual(bench.said, [`gone ${Fault.tlsHandshakeFailed}`]);
  bench.check();
});
