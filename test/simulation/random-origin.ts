/**
 * Origins of the random simulation: each answers every request in a way drawn from a seed, good
 * or bad. Bodies name the request they answer, so that a mixed-up response shows.
 */

import type { Prng } from '../../src/base/prng.ts';
import type { SimPeer } from '../../src/data/io/sim/sim-peer.ts';
import type { Simulation } from '../../src/data/io/sim/simulation.ts';
import type { SeenRequest } from '../support/request-reader.ts';
import { fieldValues } from '../support/strict-head.ts';
import type { ScriptedOrigin } from './scripted-origin.ts';
import { listenOrigin } from './scripted-origin.ts';

/** What a calm origin does. */
const GOOD = ['length', 'chunked', 'slow', 'interim', 'closing'] as const;
/** What an origin may do besides. `close` is close-delimited: good, but never cut by FIN. */
const BAD = [
  'close',
  'resetEarly',
  'resetLate',
  'finEarly',
  'truncated',
  'truncatedChunks',
  'garbage',
  'badChunk',
  'never',
  'early',
  'extra',
  'busy',
] as const;
type Manner = (typeof GOOD)[number] | (typeof BAD)[number];

/** The body every origin gives for `target`, whoever asks and however it is framed. */
export function bodyFor(target: string): string {
  const size = (sumOf(target) * 37) % 5_000;
  return `${target}\n${target.repeat(Math.ceil(size / target.length)).slice(0, size)}`;
}

/** An answer that a service may want repeated elsewhere; a proxy may read it to its end or not. */
function busy(isHead: boolean, size: number): string {
  const body = `503 busy ${'.'.repeat(size)}`;
  const head = `HTTP/1.1 503 Service Unavailable\r\nContent-Length: ${body.length}\r\n\r\n`;
  return isHead ? head : head + body;
}

function sumOf(text: string): number {
  let sum = 7;
  for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) % 65_521;
  return sum;
}

export class RandomOrigin {
  readonly origin: ScriptedOrigin;
  readonly #sim: Simulation;
  readonly #prng: Prng;
  readonly #isCalm: boolean;
  /** Bytes of tunnels that were looked at, heads included. */
  readonly #echoed = new Map<SimPeer, number>();

  constructor(sim: Simulation, address: string, prng: Prng, isCalm: boolean) {
    this.#sim = sim;
    this.#prng = prng;
    this.#isCalm = isCalm;
    /** What is still to be sent once the whole request is here. */
    const early = new Map<SeenRequest, string>();
    this.origin = listenOrigin(sim, address, {
      onHead: (request, peer) => {
        if (isCalm || !prng.chance(0.05)) return;
        early.set(request, '');
        if (request.method === 'HEAD' || prng.chance(0.5)) this.#answer(request, peer, 'early');
        else early.set(request, this.#begin(request, peer));
      },
      onRequest: (request, peer) => {
        const rest = early.get(request);
        if (rest === undefined) this.#answer(request, peer, this.#draw());
        else if (rest !== '') peer.send(rest);
      },
      onBytes: (peer) => this.#echo(peer),
    });
  }

  /** Sends the head and a part of the body. @returns the rest of it */
  #begin(request: SeenRequest, peer: SimPeer): string {
    const body = bodyFor(request.target);
    const cut = this.#prng.integer(0, body.length - 1);
    peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`);
    return body.slice(cut);
  }

  #draw(): Manner {
    const isGood = this.#isCalm || this.#prng.chance(0.7);
    const manners = isGood ? GOOD : BAD;
    return manners[this.#prng.integer(0, manners.length - 1)]!;
  }

  #answer(request: SeenRequest, peer: SimPeer, manner: Manner): void {
    if (fieldValues(request.fields, 'upgrade').length > 0 && this.#prng.chance(0.8)) {
      this.#upgrade(peer);
      return;
    }
    const body = request.method === 'HEAD' ? '' : bodyFor(request.target);
    const length = bodyFor(request.target).length;
    const framed = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
    const delayMs = this.#prng.integer(0, 30);
    switch (manner) {
      case 'length':
      case 'early':
        peer.send(framed + body);
        return;
      case 'closing':
        peer.send(
          `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${body}`,
        );
        peer.end();
        return;
      case 'slow':
        this.#drip(peer, framed + body, delayMs);
        return;
      case 'interim':
        peer.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
        this.#later(peer, delayMs, () => peer.send(framed + body));
        return;
      case 'extra':
        peer.send(`${framed}${body}xyz`);
        return;
      default:
        this.#answerBadly(request, peer, manner, framed + body);
    }
  }

  #answerBadly(request: SeenRequest, peer: SimPeer, manner: Manner, whole: string): void {
    const body = request.method === 'HEAD' ? '' : bodyFor(request.target);
    const cut = this.#prng.integer(1, whole.length - 1);
    const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunks = body === '' ? chunked : chunked + this.#chunks(body);
    switch (manner) {
      case 'chunked':
        this.#drip(peer, body === '' ? chunked : `${chunks}0\r\n\r\n`, 0);
        return;
      case 'close':
        peer.send(`HTTP/1.1 200 OK\r\n\r\n${body}`);
        peer.end();
        return;
      case 'resetEarly':
        peer.reset();
        return;
      case 'resetLate':
        peer.send(whole.slice(0, cut));
        this.#later(peer, 20, () => peer.reset());
        return;
      case 'finEarly':
        peer.end();
        return;
      case 'truncated':
        peer.send(whole.slice(0, cut));
        peer.end();
        return;
      case 'truncatedChunks':
        peer.send(chunks);
        peer.end();
        return;
      case 'badChunk':
        peer.send(`${chunks}zz\r\n`);
        return;
      case 'busy':
        peer.send(busy(request.method === 'HEAD', this.#prng.integer(0, 30_000)));
        return;
      case 'garbage':
        peer.send('\u0016\u0003\u0001 no HTTP here\r\n\r\n');
        return;
      default: // never
    }
  }

  #chunks(body: string): string {
    let text = '';
    for (let at = 0; at < body.length;) {
      const size = this.#prng.integer(1, 1_500);
      const piece = body.slice(at, at + size);
      text += `${piece.length.toString(16)}\r\n${piece}\r\n`;
      at += size;
    }
    return text;
  }

  /** Sends `text` in a few pieces with pauses. */
  #drip(peer: SimPeer, text: string, gapMs: number): void {
    let at = 0;
    let sentAtMs = 0;
    while (at < text.length) {
      const piece = text.slice(at, at + this.#prng.integer(1, 2_000));
      at += piece.length;
      this.#later(peer, sentAtMs, () => peer.send(piece));
      sentAtMs += gapMs;
    }
  }

  /** From now on everything comes back as it was sent. */
  #upgrade(peer: SimPeer): void {
    peer.send(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    const text = peer.text();
    this.#echoed.set(peer, text.lastIndexOf('\r\n\r\n') + 4);
    this.#echo(peer);
  }

  #echo(peer: SimPeer): void {
    const echoedSize = this.#echoed.get(peer);
    if (echoedSize === undefined) return;
    const bytes = peer.bytes().subarray(echoedSize);
    this.#echoed.set(peer, echoedSize + bytes.byteLength);
    if (bytes.byteLength > 0) peer.send(bytes);
  }

  #later(peer: SimPeer, ms: number, task: () => void): void {
    this.#sim.world.at(this.#sim.nowMs() + ms, () => {
      if (!peer.isClosed && !peer.connection.isClosed) task();
    });
  }
}
