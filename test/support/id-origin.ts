/**
 * An origin as a process of its own that remembers which requests it executed, and that can be
 * killed, stopped and slowed.
 *
 *     node test/support/id-origin.ts '{"endpoints":[{"name":"a","port":0}],"ids":"/path/file"}'
 *
 * Each endpoint listens on a port and names itself in every answer. `GET ?size=N&ms=M` answers N
 * bytes made of the request's id, over M milliseconds; `bad=a,b` makes those endpoints fail. A
 * POST is written to the file of ids before it is answered, so that a killed origin has recorded
 * what it did. WebSockets are echoed.
 * It reads one JSON object per line: `{"name":"a","delayMs":10000}`, `{"name":"a","status":503}`.
 */

import fs from 'node:fs';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { WebSocketServer } from 'ws';
import { bodyOf, ENDPOINT_FIELD, HASH_FIELD, ID_FIELD, sha256 } from './load/exchange.ts';

interface Behaviour {
  /** Before the head of an answer. */
  delayMs: number;
  /** 200, or a failure. */
  status: number;
}

interface EndpointOrder {
  readonly name: string;
  readonly port: number;
}

const STEPS = 20;
const order = JSON.parse(process.argv[2] ?? '{}') as {
  readonly endpoints: readonly EndpointOrder[];
  /** File of `endpoint id` lines, one per executed POST. */
  readonly ids: string;
};
const ids = fs.openSync(order.ids, 'a');
const behaviours = new Map<string, Behaviour>();

function write(response: http.ServerResponse, bytes: Buffer, ms: number): void {
  if (ms <= 0) {
    response.end(bytes);
    return;
  }
  let step = 0;
  const size = Math.ceil(bytes.length / STEPS);
  const next = (): void => {
    if (response.destroyed) return;
    response.write(bytes.subarray(step * size, (step + 1) * size));
    if (++step >= STEPS) response.end();
    else setTimeout(next, ms / STEPS);
  };
  next();
}

function answer(name: string, request: http.IncomingMessage, response: http.ServerResponse): void {
  const id = String(request.headers[ID_FIELD] ?? '');
  const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '');
  const bytes = bodyOf(id, Number(query.get('size') ?? 0));
  const behaviour = behaviours.get(name)!;
  const send = (): void => {
    const isBad = (query.get('bad') ?? '').split(',').includes(name);
    const status = isBad ? 503 : behaviour.status;
    if (request.method === 'POST' && status === 200) fs.writeSync(ids, `${name} ${id}\n`);
    response.writeHead(status, {
      [ID_FIELD]: id,
      [ENDPOINT_FIELD]: name,
      [HASH_FIELD]: sha256(bytes),
      ...(query.has('ms') ? {} : { 'content-length': bytes.length }),
    });
    write(response, bytes, Number(query.get('ms') ?? 0));
  };
  if (behaviour.delayMs > 0) setTimeout(send, behaviour.delayMs);
  else send();
}

function serve({ name, port }: EndpointOrder): Promise<void> {
  behaviours.set(name, { delayMs: 0, status: 200 });
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 });
  server.on('request', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = request.headers[HASH_FIELD];
      if (sent === undefined || sent === sha256(Buffer.concat(chunks))) {
        answer(name, request, response);
      } else response.writeHead(400, { [ENDPOINT_FIELD]: name }).end('corrupted');
    });
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`${name}:${String(data)}`));
    socket.on('error', () => undefined);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: 1_024 }, () => {
      const address = server.address() as { readonly port: number };
      process.stdout.write(`${JSON.stringify({ name, port: address.port })}\n`);
      resolve();
    });
  });
}

for (const endpoint of order.endpoints) await serve(endpoint);
process.stdout.write('ready\n');
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { name, ...change } = JSON.parse(line) as { name: string } & Partial<Behaviour>;
  Object.assign(behaviours.get(name)!, change);
});
input.on('close', () => process.exit(0));
