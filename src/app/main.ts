/**
 * Entry of the program: the command line, or the proxy process when the supervisor starts one.
 */

import { runCli } from './cli/run-cli.ts';
import { runProxyProcess } from './proxy-process.ts';

// Whoever reads our lines may go (a pager, a closed terminal, a dead log collector): what is said
// is lost then, and the proxy serves on. Without a listener Node would end the process.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

if (process.argv[2] === 'proxy-process' && process.send !== undefined) runProxyProcess();
else await runCli(process.argv.slice(2));
