/**
 * Support of the providers' tests: an HTTP server that answers as told and keeps what it was asked.
 */

import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DnsProvider, TxtRecord } from '../dns-provider.ts';
import type { DnsTools } from '../dns-tools.ts';
import { createDnsProvider } from '../create-dns-solver.ts';
import type { DnsProviderName } from '../../config/dns-settings.ts';

export interface FakeCall {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface FakeReply {
  readonly status: number;
  /** An object becomes JSON. */
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
}

export interface FakeApi {
  readonly url: string;
  readonly calls: FakeCall[];
}

export const NOW_MS = Date.UTC(2026, 7, 1, 12);
export const SECRET = 'hush-hush-1234';
export const RECORD: TxtRecord = {
  name: '_acme-challenge.www.example.com',
  zone: 'example.com',
  value: 'token-of-the-test_-1',
  ttlSeconds: 10,
};
export const never: AbortSignal = new AbortController().signal;

/** Tools whose pauses take no time; `pauses` has how long they would have been. */
export function fakeTools(): DnsTools & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    nowMs: () => NOW_MS,
    delay: (ms) => {
      pauses.push(ms);
      return Promise.resolve();
    },
    environment: { PATH: '/usr/bin:/bin', HOME: '/nowhere' },
    pauses,
  };
}

export function provider(
  name: DnsProviderName,
  settings: { readonly [key: string]: string },
  tools: DnsTools = fakeTools(),
): DnsProvider {
  const config = {
    provider: name,
    settings,
    resolvers: [],
    propagationTimeoutMs: 0,
    propagationDelayMs: 0,
    checkPropagation: false,
    ttlSeconds: 60,
  };
  return createDnsProvider(config, tools);
}

/** Runs `run` beside a server that answers with `reply`. */
export async function withApi(
  reply: (call: FakeCall, index: number) => FakeReply | null,
  run: (api: FakeApi) => Promise<void>,
): Promise<void> {
  const calls: FakeCall[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const call = { method, path: url, headers, body };
      calls.push(call);
      const said = reply(call, calls.length - 1);
      if (said === null) return void request.socket.destroy();
      const text = typeof said.body === 'string' ? said.body : JSON.stringify(said.body ?? {});
      response.writeHead(said.status, { ...said.headers });
      response.end(said.status === 204 ? undefined : text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await run({ url: `http://127.0.0.1:${port}`, calls });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
