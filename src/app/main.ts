/**
 * Entry of the program: the command line, or the proxy process when the supervisor starts one.
 */

import { runCli } from './cli/run-cli.ts';
import { runProxyProcess } from './proxy-process.ts';

if (process.argv[2] === 'proxy-process' && process.send !== undefined) runProxyProcess();
else await runCli(process.argv.slice(2));
