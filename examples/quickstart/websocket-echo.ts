/**
 * A WebSocket echo endpoint, written out by hand (RFC 6455): enough for a demo, strict on input.
 *
 * Every message comes back as it came, pings are answered, and whatever breaks the protocol
 * closes the connection with the code the RFC names for it.
 */

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MESSAGE_SIZE_MAX = 1024 * 1024;
const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const CloseCode = { normal: 1000, protocolError: 1002, tooLarge: 1009 } as const;

interface Frame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes of the whole frame. */
  readonly size: number;
}

/** Answers an upgrade request: 101 and an echo, or 400. */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy());
  const key = request.headers['sec-websocket-key'];
  const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
  if (!isWebSocket || key === undefined || request.headers['sec-websocket-version'] !== '13') {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const echo = new Echo(socket);
  socket.on('data', (bytes: Buffer) => echo.receive(bytes));
  socket.on('end', () => socket.end());
  if (head.length > 0) echo.receive(head);
}

class Echo {
  readonly #socket: Duplex;
  #pending: Buffer = Buffer.alloc(0);
  #fragments: Buffer[] = [];
  #fragmentsSize = 0;
  #opcode: number = Opcode.continuation;
  #isClosed = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const frame = readFrame(this.#pending);
      if (frame === null || this.#isClosed) return;
      if (typeof frame === 'number') {
        this.#close(frame);
        return;
      }
      this.#pending = this.#pending.subarray(frame.size);
      this.#take(frame);
    }
  }

  #take({ isFinal, opcode, payload }: Frame): void {
    if (opcode === Opcode.ping) this.#send(Opcode.pong, payload);
    else if (opcode === Opcode.close) {
      this.#send(Opcode.close, payload.subarray(0, 2));
      this.#isClosed = true;
      this.#socket.end();
    } else if (opcode <= Opcode.binary) this.#takeData(isFinal, opcode, payload);
    else if (opcode !== Opcode.pong) this.#close(CloseCode.protocolError);
  }

  #takeData(isFinal: boolean, opcode: number, payload: Buffer): void {
    const isFirst = this.#fragments.length === 0;
    if (isFirst === (opcode === Opcode.continuation)) {
      this.#close(CloseCode.protocolError);
      return;
    }
    if (isFirst) this.#opcode = opcode;
    this.#fragments.push(payload);
    this.#fragmentsSize += payload.length;
    if (this.#fragmentsSize > MESSAGE_SIZE_MAX) this.#close(CloseCode.tooLarge);
    else if (isFinal) {
      this.#send(this.#opcode, Buffer.concat(this.#fragments));
      this.#fragments = [];
      this.#fragmentsSize = 0;
    }
  }

  #send(opcode: number, payload: Buffer): void {
    this.#socket.write(writeFrame(opcode, payload));
  }

  #close(code: number): void {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#send(Opcode.close, payload);
    this.#isClosed = true;
    this.#socket.end();
  }
}

/** @returns the first frame of `bytes`, null when it is not complete, or a close code */
function readFrame(bytes: Buffer): Frame | number | null {
  if (bytes.length < 2) return null;
  const isFinal = (bytes[0]! & 0x80) !== 0;
  const opcode = bytes[0]! & 0x0f;
  const isMasked = (bytes[1]! & 0x80) !== 0;
  let length = bytes[1]! & 0x7f;
  const isControl = opcode >= Opcode.close;
  // Reserved bits, unmasked client frames (§5.1) and long control frames (§5.5) are errors.
  const isBroken = (bytes[0]! & 0x70) !== 0 || !isMasked;
  if (isBroken || (isControl && (!isFinal || length > 125))) return CloseCode.protocolError;
  let at = 2;
  if (length === 126) {
    if (bytes.length < 4) return null;
    length = bytes.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return null;
    const large = bytes.readBigUInt64BE(2);
    if (large > BigInt(MESSAGE_SIZE_MAX)) return CloseCode.tooLarge;
    length = Number(large);
    at = 10;
  }
  if (bytes.length < at + 4 + length) return null;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!;
  return { isFinal, opcode, payload, size: at + 4 + length };
}

/** One unmasked, final frame. */
function writeFrame(opcode: number, payload: Buffer): Buffer {
  const extra = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + extra + payload.length);
  frame[0] = 0x80 | opcode;
  if (extra === 0) frame[1] = payload.length;
  else if (extra === 2) {
    frame[1] = 126;
    frame.writeUInt16BE(payload.length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  payload.copy(frame, 2 + extra);
  return frame;
}
