/**
 * A reverse proxy that is reloaded under load: Proxy Now or a peer, with two workers or threads
 * and otherwise its defaults.
 */

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { Child } from '../../support/child.ts';
import { processTree } from '../../support/process-tree.ts';
import type { Layout } from './layout.ts';

export interface Contender {
  readonly name: string;
  /** Path of the program, or null when it is not installed. */
  command(): string | null;
  version(): string;
  /** The configuration of a generation. */
  render(layout: Layout, generation: number): string;
  fileName: string;
  start(command: string, layout: Layout): Child;
  /** Takes over what is in the file now. Resolves when told, not when done. */
  reload(child: Child, layout: Layout): Promise<void>;
  /** Starts a new program on the same addresses; absent where there is no such thing. */
  upgrade?(child: Child, layout: Layout): Promise<void>;
  /** The process whose death ends serving, the starter of it not included. */
  mainPid(child: Child): number;
}

/** Writes the configuration of a generation as an editor does that leaves no half file. */
export function writeGeneration(contender: Contender, layout: Layout, generation: number): string {
  const file = path.join(layout.directory, contender.fileName);
  const next = `${file}.next`;
  fs.writeFileSync(next, contender.render(layout, generation));
  fs.renameSync(next, file);
  return file;
}

/** First child of the process: the proxy below its supervisor or master. */
export function firstChild(child: Child): number {
  return processTree(child.pid)[1] ?? child.pid;
}

/** One request to an administration address. @returns the status */
export function adminRequest(
  port: number,
  method: string,
  target: string,
  body: { readonly type: string; readonly text: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        method,
        path: target,
        agent: false,
        headers: { 'content-type': body.type },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body.text);
  });
}
