/**
 * Origins of the simulation that read requests strictly and answer as told.
 */

import type { SimPeer, SimScript } from '../../src/data/io/sim/sim-peer.ts';
import type { SimTlsOrigin } from '../../src/data/io/sim/sim-tls-accept.ts';
import type { Simulation } from '../../src/data/io/sim/simulation.ts';
import { RequestReader } from '../support/request-reader.ts';
import type { SeenRequest } from '../support/request-reader.ts';

export interface OriginScript {
  /** The head is here; the body may not be. */
  onHead?(request: SeenRequest, peer: SimPeer): void;
  /** The whole request is here. */
  onRequest?(request: SeenRequest, peer: SimPeer): void;
  /** Bytes arrived; the reader has seen them. For tunnels. */
  onBytes?(peer: SimPeer, bytes: Uint8Array): void;
}

export interface ScriptedOrigin {
  /** Connections accepted so far, in order. */
  readonly peers: SimPeer[];
  /** Requests begun so far, in order of their heads. */
  readonly requests: SeenRequest[];
  /** What no strict reader accepts. */
  readonly violations: string[];
  close(): void;
}

export function listenOrigin(
  sim: Simulation,
  address: string,
  script: OriginScript,
  tls: SimTlsOrigin | null = null,
): ScriptedOrigin {
  const requests: SeenRequest[] = [];
  const violations: string[] = [];
  const scriptFor = (peerIndex: number): SimScript => {
    let peer: SimPeer | null = null;
    const reader = new RequestReader(peerIndex + 1, {
      nextId: () => requests.length + 1,
      onHead(request) {
        requests.push(request);
        script.onHead?.(request, peer!);
      },
      onRequest(request) {
        violations.push(...request.violations);
        script.onRequest?.(request, peer!);
      },
    });
    return {
      onBytes(from, bytes) {
        peer = from;
        if (peer.connection.isClosed) return;
        reader.push(Buffer.from(bytes));
        if (reader.broken !== '') violations.push(reader.broken);
        script.onBytes?.(peer, bytes);
      },
      onEnd(from) {
        reader.end('fin');
        if (!from.connection.isClosed) from.end(); // As servers do.
      },
      onClose: () => reader.end('reset'),
    };
  };
  const { peers, close } = sim.listenOrigin(address, scriptFor, tls);
  return { peers, requests, violations, close };
}

/** A complete response with a length. */
export function okWith(body: string, fields = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

/** An origin that answers every request with `ok N`, N counting from 1. */
export function answering(body = 'ok'): OriginScript {
  return { onRequest: (request, peer) => peer.send(okWith(`${body} ${request.id}`)) };
}
