/** Any program as a peer: `--peer name='command with {port} and {origin}'`. */

import { certificateFiles } from './peer.ts';
import type { Peer, PeerSetup } from './peer.ts';

/** A peer given on the command line. */
export interface ExtraPeer {
  readonly name: string;
  readonly command: string;
}

/** `{port}`, `{admin}`, `{origin}` (port of the origin) and `{dir}` replaced in a command. */
export function fillCommand(command: string, setup: PeerSetup): string {
  return command
    .replaceAll('{port}', String(setup.port))
    .replaceAll('{admin}', String(setup.adminPort))
    .replaceAll('{origin}', String(setup.originPort))
    .replaceAll('{dir}', setup.dir);
}

/** The command run by the shell; it is driven only where one catch-all route is enough. */
export function commandPeer(extra: ExtraPeer): Peer {
  return {
    name: extra.name,
    missing: () => null,
    versionCommand: null,
    plan(setup) {
      if (setup.routeCount > 0 || setup.hasAccessLog) return null;
      return {
        files: certificateFiles(setup),
        command: ['sh', '-c', fillCommand(extra.command, setup)],
      };
    },
  };
}
