/**
 * Host and path of the request under lookup as text, made when a regexp first asks for them.
 */

import { latin1Text } from '../../base/ascii.ts';
import type { RouteRequest } from '../../contract/routing.ts';

/** One per router; holds nothing between lookups but the texts of the last one. */
export class RequestTexts {
  #host = '';
  #path = '';
  #hasHost = false;
  #hasPath = false;

  /** Forgets the texts. Call it before each lookup. */
  clear(): void {
    this.#hasHost = false;
    this.#hasPath = false;
  }

  host(request: RouteRequest): string {
    if (!this.#hasHost) {
      this.#host = latin1Text(request.hostBytes, request.hostStart, request.hostEnd);
      this.#hasHost = true;
    }
    return this.#host;
  }

  path(request: RouteRequest): string {
    if (!this.#hasPath) {
      this.#path = latin1Text(request.pathBytes, request.pathStart, request.pathEnd);
      this.#hasPath = true;
    }
    return this.#path;
  }
}
