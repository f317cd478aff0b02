import test from 'node:test';
import assert from 'node:assert/strict';
import { latin1Bytes } from '../../base/ascii.ts';
import { Fault } from '../../contract/fault.ts';
import { Bench, alertOf } from './acceptance-bench.contract.ts';
import { alpn, helloWith, joined, serverName } from './hello-bytes.contract.ts';
import { certificate } from './tls-fixtures.contract.ts';

const HELLO = helloWith(serverName('a.test'), alpn('http/1.1'));
const V1 = latin1Bytes('PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n');

test('acceptance: trusted peers say in a PROXY header whom they bring', () => {
  const bench = new Bench({ proxyPeers: ['127.0.0.1'] });
  const bytes = joined([V1, HELLO]);
  for (let size = 1; size < bytes.length; size += 7) {
    const peer = bench.send(bytes.subarray(0, size), 20);
    peer.send(bytes.subarray(size));
    bench.sim.advanceMs(100);
    const acceptance = bench.acceptances.at(-1)!;
    assert.equal(bench.said.at(-1), 'secure a.test default', `${size}`);
    assert.equal(acceptance.peerAddress, '192.0.2.7');
    assert.equal(acceptance.peerPort, 5_000);
    assert.equal(acceptance.localAddress, '198.51.100.1');
    assert.equal(acceptance.proxiedLocalPort, 443);
    assert.equal(acceptance.isProxied, true);
  }
  bench.check();
});

test('acceptance: a header that names nobody leaves the addresses as they are', () => {
  const bench = new Bench({ proxyPeers: ['127.0.0.1'] });
  bench.send(joined([latin1Bytes('PROXY UNKNOWN\r\n'), HELLO]));
  const acceptance = bench.acceptances[0]!;
  assert.equal(acceptance.isProxied, false);
  assert.equal(acceptance.peerAddress, '127.0.0.1');
  assert.equal(acceptance.localAddress, '127.0.0.1');
  bench.check();
});

test('acceptance: a trusted peer without a header is closed, and others have none', () => {
  const missing = new Bench({ proxyPeers: ['127.0.0.0/8'] });
  const peer = missing.send(HELLO);
  assert.equal(peer.receivedSize, 0);
  assert.equal(peer.hasEnded, true);
  missing.sim.advanceMs(10_000);
  assert.deepEqual(missing.said, [`gone ${Fault.proxyHeaderInvalid}`]);
  assert.deepEqual(missing.counts(), [0, 0, 0, 0]);

  const half = new Bench({ proxyPeers: ['127.0.0.1'] });
  half.send(V1.subarray(0, 10)).end();
  half.sim.advanceMs(10_000);
  assert.deepEqual(half.said, [`gone ${Fault.proxyHeaderInvalid}`]);

  const slow = new Bench({ tls: null, proxyPeers: ['127.0.0.1'] });
  slow.send(V1.subarray(0, 10), 4_800);
  assert.deepEqual(slow.said, []);
  slow.sim.advanceMs(20_000);
  assert.deepEqual(slow.said, [`gone ${Fault.proxyHeaderInvalid}`]);

  const stranger = new Bench({ proxyPeers: ['192.0.2.0/24'] });
  const forged = stranger.send(joined([V1, HELLO]));
  assert.match(forged.text(), /^HTTP\/1\.1 400 /);
  stranger.send(HELLO);
  assert.equal(stranger.said.at(-1), 'secure a.test default');
  stranger.sim.advanceMs(10_000);
  for (const bench of [missing, half, slow, stranger]) bench.check();
});

test('acceptance: without TLS what follows the header is handed over', () => {
  const bench = new Bench({ tls: null, proxyPeers: ['127.0.0.1'] });
  bench.send(joined([V1, latin1Bytes('GET /')]));
  bench.send(V1);
  const peer = bench.send(V1.subarray(0, 12));
  peer.send(joined([V1.subarray(12), latin1Bytes('GET /x')]));
  bench.sim.advanceMs(100);
  assert.deepEqual(bench.said, [
    'plain 192.0.2.7 "GET /"',
    'plain 192.0.2.7 ""',
    'plain 192.0.2.7 "GET /x"',
  ]);
  bench.check();
});

test('acceptance: a name on demand waits for its certificate', () => {
  const bench = new Bench({ tls: { onDemand: ['*.d.test'], handshakesPerAddressMax: 1 } });
  const peer = bench.send(helloWith(serverName('x.d.test')));
  peer.send(Uint8Array.of(1, 2, 3));
  bench.sim.advanceMs(100);
  assert.deepEqual(bench.wanted, ['x.d.test']);
  assert.deepEqual(bench.said, []);
  const add = [certificate('x', ['x.d.test'], { notAfterMs: 9e9 })];
  bench.worker.updateCertificates({ add, remove: [] });
  bench.worker.settleCertificate('x.d.test');
  bench.sim.advanceMs(100);
  assert.deepEqual(bench.said, ['secure x.d.test default']);
  assert.deepEqual(bench.received, [1, 2, 3], 'what came while it waited');
  bench.sim.advanceMs(1_000);
  bench.send(helloWith(serverName('x.d.test')));
  assert.equal(bench.said.length, 2);
  assert.equal(bench.wanted.length, 1);
  bench.check();
});

test('acceptance: a name on demand that gets none is refused, now and for a while', () => {
  const bench = new Bench({ tls: { onDemand: ['*'] } });
  const hello = helloWith(serverName('x.test'));
  const peer = bench.send(hello);
  bench.worker.settleCertificate('x.test');
  bench.sim.advanceMs(100);
  assert.equal(alertOf(peer), 112);
  assert.equal(alertOf(bench.send(hello)), 112);
  assert.deepEqual(bench.wanted, ['x.test']);
  bench.sim.advanceMs(10_000);
  bench.check();
});

test('acceptance: nobody waits for ever, and who leaves is forgotten', () => {
  const bench = new Bench({ tls: { onDemand: ['*'] } });
  const hello = helloWith(serverName('x.test'));
  const peer = bench.send(hello, 14_000);
  assert.equal(peer.receivedSize, 0);
  const gone = bench.send(hello);
  gone.reset();
  bench.sim.advanceMs(2_000);
  assert.equal(alertOf(peer), 112);
  bench.sim.advanceMs(20_000);
  assert.equal(bench.worker.waiting.count, 0);
  bench.worker.settleCertificate('x.test');
  bench.sim.advanceMs(100);
  assert.equal(bench.said.length, 2);
  bench.check();
});
