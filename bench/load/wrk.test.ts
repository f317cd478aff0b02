import test from 'node:test';
import assert from 'node:assert/strict';
import { parseWrk, plainGet, wrkCommand, wrkScript } from './wrk.ts';

test('wrk: reads its own line and not what wrk prints for people', () => {
  const output =
    'Running 2s test @ http://127.0.0.1:1/64\n  Latency 1ms\n  9 requests in 2.00s\n\n' +
    'RESULT {"requests":87210,"seconds":2.002735,"errors":3,"p50Us":1259,"p99Us":5807}\n';
  assert.deepEqual(parseWrk(output), {
    requests: 87210,
    seconds: 2.002735,
    errors: 3,
    p50Us: 1259,
    p99Us: 5807,
  });
});

test('wrk: has no result when it could not connect', () => {
  assert.equal(parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n'), null);
});

test('wrk: a plain GET has a script without pause, body or routes', () => {
  const script = wrkScript(plainGet('/64'));
  assert.doesNotMatch(script, /delay|POST|request\(\)|Connection/);
  assert.match(script, /RESULT/);
});

test('wrk: pause, close and upload each show in the script', () => {
  assert.match(wrkScript({ ...plainGet('/'), pauseMs: 2.5 }), /random\(\) \* 5\.000/);
  assert.match(wrkScript({ ...plainGet('/'), isClosing: true }), /"Connection"\] = "close"/);
  assert.match(wrkScript({ ...plainGet('/'), uploadSize: 1024 }), /POST[^]*rep\("x", 1024\)/);
});

test('wrk: asks every given route in turn', () => {
  const routes = [
    { host: 'a.test', prefix: '/one' },
    { host: 'b.test', prefix: '/two' },
  ];
  const script = wrkScript({ ...plainGet('/64'), routes });
  assert.match(script, /"\/one\/64", \{ Host = "a\.test" \}/);
  assert.match(script, /"\/two\/64", \{ Host = "b\.test" \}/);
});

test('wrk: the command names connections, seconds and a loopback address', () => {
  const run = { port: 81, seconds: 5, connections: 64, script: '/s.lua' };
  const command = wrkCommand(plainGet('/10k'), run).join(' ');
  assert.equal(command, 'wrk -t1 -c64 -d5s --timeout 10s -s /s.lua http://127.0.0.1:81/10k');
});
