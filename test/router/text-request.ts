/**
 * A RouteRequest over strings, for tests and benchmarks. Host and path stand in the middle of
 * larger buffers, as they do in a head, so that a wrong offset is seen.
 */

import type { CheckRequest } from '../../src/control/compile/explain-request.ts';
import type { RouteRequest } from '../../src/contract/routing.ts';

export class TextRequest implements RouteRequest {
  hostBytes: Uint8Array = new Uint8Array(0);
  hostStart = 0;
  hostEnd = 0;
  pathBytes: Uint8Array = new Uint8Array(0);
  pathStart = 0;
  pathEnd = 0;
  listenerIndex = 0;
  readonly #request: CheckRequest;

  constructor(request: CheckRequest) {
    this.#request = request;
    this.hostBytes = Buffer.from(`x.${request.host}.test/`, 'latin1');
    this.hostStart = 2;
    this.hostEnd = 2 + request.host.length;
    this.pathBytes = Buffer.from(`/a/${request.path}/a/b`, 'latin1');
    this.pathStart = 3;
    this.pathEnd = 3 + request.path.length;
    this.listenerIndex = request.listenerIndex;
  }

  method(): string {
    return this.#request.method;
  }

  clientAddress(): string {
    return this.#request.clientAddress;
  }

  someHeader(name: string, visit: (value: string) => boolean): boolean {
    for (const [key, value] of this.#request.headers) {
      if (key === name && visit(value)) return true;
    }
    return false;
  }

  query(): string {
    return this.#request.query;
  }
}
