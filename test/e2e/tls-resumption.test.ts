/**
 * Session tickets with several workers: whichever worker takes the next connection, it resumes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from 'node:tls';
import { HOST, TlsStage } from '../support/tls-stage.ts';

const WORKERS = 4;
const CONNECTIONS = 200;

interface Answered {
  readonly isResumed: boolean;
  readonly session: Buffer;
}

/** One request on a connection of its own; the last ticket it brought. */
async function ask(stage: TlsStage, session: Buffer | null): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const socket = connect({
    port: stage.port,
    host: '127.0.0.1',
    servername: HOST,
    ca: stage.authority.pem,
    ...(session === null ? {} : { session }),
  });
  let last: Buffer | null = session;
  let text = '';
  socket.on('session', (ticket: Buffer) => (last = ticket));
  socket.on('error', reject);
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('end', () => {
    const isResumed = socket.isSessionReused();
    socket.end();
    if (last !== null && text.includes('200 OK')) resolve({ isResumed, session: last });
    else reject(new Error(`no answer or no ticket: ${text}`));
  });
  socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
  return promise;
}

test('tls resumption: 99 of 100 connections resume, at whatever worker they arrive', async () => {
  const stage = await TlsStage.open({ workers: WORKERS });
  try {
    const first = await ask(stage, null);
    assert.equal(first.isResumed, false);
    let { session } = first;
    let resumed = 0;
    for (let i = 0; i < CONNECTIONS; i++) {
      const next = await ask(stage, session);
      if (next.isResumed) resumed++;
      if (i % 2 === 0) session = next.session; // A ticket is good for several connections.
    }
    assert.ok(resumed >= CONNECTIONS * 0.99, `${resumed} of ${CONNECTIONS}`);
    const metrics = await fetch(`http://127.0.0.1:${stage.adminPort}/metrics`);
    const text = await metrics.text();
    const counted = /tls_handshakes_total\{[^}]*result="resumed"[^}]*\} (\d+)/.exec(text)?.[1];
    assert.equal(Number(counted), resumed);
    // The kernel spreads connections by their ports: all of the workers took some.
    const contexts = /^proxy_now_tls_contexts_built_total(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1];
    assert.ok(Number(contexts) >= 2, `${contexts} workers have built a context`);
  } finally {
    await stage.close();
  }
});
