import test from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ClientHello, HELLO_WIRE_SIZE_MAX, HelloResult, readClientHello } from './client-hello.ts';
import {
  alpn,
  fragmented,
  groups,
  helloBytes,
  helloMessage,
  preSharedKey,
  record,
  serverName,
  sessionTicket,
  signatures,
  versions,
} from './hello-bytes.contract.ts';
import type { HelloExtension } from './hello-bytes.contract.ts';
import { ja4 } from './ja4.ts';

const name = fc.oneof(
  fc.constantFrom('a.test', 'WWW.Example.com', '127.0.0.1', '::1', 'a..b', 'a.', '*', 'a\0b'),
  fc.string({ maxLength: 80 }),
);
const u16 = fc.nat(65_535);
const list = fc.array(u16, { minLength: 1, maxLength: 6 });
const bytes = fc.array(fc.nat(255), { maxLength: 40 });

const extension: fc.Arbitrary<HelloExtension> = fc.oneof(
  name.map((text) => serverName(text)),
  fc.constantFrom(alpn('h2', 'http/1.1'), alpn('acme-tls/1')),
  list.map((values) => versions(...values)),
  list.map((values) => groups(...values)),
  list.map((values) => signatures(...values)),
  bytes.map((ticket) => sessionTicket(ticket)),
  bytes.map((identity) => preSharedKey(identity)),
  fc.tuple(fc.constantFrom(0, 10, 13, 16, 35, 41, 43, 0xfe0d, 0x2a2a), bytes),
  fc.tuple(u16, bytes),
);

const message = fc
  .record({
    version: fc.constantFrom(0x0300, 0x0303, 0x0305),
    sessionId: fc.array(fc.nat(255), { maxLength: 32 }),
    ciphers: list,
    extensions: fc.option(fc.array(extension, { maxLength: 8 })),
  })
  .map(helloMessage);

/** What a network may bring: hellos, fragments of them, and both with some bytes changed. */
const received = fc
  .tuple(
    message,
    fc.option(fc.integer({ min: 1, max: 60 })),
    fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 3 }),
    fc.uint8Array({ maxLength: 10 }),
  )
  .map(([parts, size, changes, behind]) => {
    const whole = size === null ? record(parts) : fragmented(parts, size);
    const all = Uint8Array.from([...whole, ...behind]);
    for (const [at, value] of changes) all[at % all.length] = value;
    return all;
  });

const anything = fc.oneof(
  { weight: 4, arbitrary: received },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }) },
);

/** Everything a reader says about a hello. */
function described(hello: ClientHello): string {
  const part = (start: number, end: number): string => hello.bytes.subarray(start, end).join();
  return JSON.stringify([
    hello.serverName,
    hello.nameState,
    hello.hasServerName,
    hello.hasEch,
    part(hello.alpnStart, hello.alpnEnd),
    part(hello.versionsStart, hello.versionsEnd),
    part(hello.groupsStart, hello.groupsEnd),
    part(hello.ciphersStart, hello.ciphersEnd),
    part(hello.ticketStart, hello.ticketEnd),
    ja4(hello),
  ]);
}

test('client-hello: any bytes have one result, however they are cut', () => {
  const hello = new ClientHello();
  fc.assert(
    fc.property(anything, (all) => {
      const whole = readClientHello(all, 0, all.length, hello);
      const said = whole === HelloResult.ok ? described(hello) : '';
      let wanted = 0;
      let isSettled = false;
      for (let end = 0; end <= all.length; end++) {
        const result = readClientHello(all, 0, end, hello);
        if (result === HelloResult.more) {
          assert.equal(isSettled, false, 'more follows no result');
          wanted = Math.max(wanted, hello.wantedSize);
          assert.ok(wanted <= HELLO_WIRE_SIZE_MAX);
          continue;
        }
        if (!isSettled && result === HelloResult.ok)
          assert.ok(end >= wanted, 'it asks for no more');
        isSettled = true;
        assert.equal(result, whole);
        if (result === HelloResult.ok) assert.equal(described(hello), said);
      }
      assert.equal(isSettled, whole !== HelloResult.more);
    }),
    { numRuns: 300 },
  );
});

test('client-hello: records and places change nothing', () => {
  const hello = new ClientHello();
  fc.assert(
    fc.property(message, fc.integer({ min: 2, max: 200 }), fc.nat(50), (parts, size, offset) => {
      const one = record(parts);
      const whole = readClientHello(one, 0, one.length, hello);
      const said = whole === HelloResult.ok ? described(hello) : '';
      const cut = fragmented(parts, Math.max(size, Math.ceil(parts.length / 200)));
      const moved = new Uint8Array(offset + cut.length + 7).fill(0xff);
      moved.set(cut, offset);
      assert.equal(readClientHello(moved, offset, offset + cut.length, hello), whole);
      if (whole === HelloResult.ok) assert.equal(described(hello), said);
    }),
    { numRuns: 300 },
  );
});

test('client-hello: a hello that was refused leaves no trace in the next one', () => {
  const hello = new ClientHello();
  const extensions = [serverName('a.test'), alpn('h2'), groups(29), versions(0x0304)];
  const good = helloBytes({ extensions });
  assert.equal(readClientHello(good, 0, good.length, hello), HelloResult.ok);
  const said = described(hello);
  fc.assert(
    fc.property(anything, (all) => {
      readClientHello(all, 0, all.length, hello);
      assert.equal(readClientHello(good, 0, good.length, hello), HelloResult.ok);
      assert.equal(described(hello), said);
    }),
    { numRuns: 300 },
  );
});
