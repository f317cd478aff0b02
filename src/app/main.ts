/**
 * Entry of the program: the command line, or the proxy process when the supervisor starts one.
 */

// One of the two is loaded: whoever waits for a process that died waits for its modules too.

// Whoever reads our lines may go (a pager, a closed terminal, a dead log collector): what is said
// is lost then, and the proxy serves on. Without a listener Node would end the process.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

if (process.argv[2] === 'proxy-process' && process.send !== undefined) {
  const { runProxyProcess } = await import('./proxy-process.ts');
  runProxyProcess();
} else {
  const { runCli } = await import('./cli/run-cli.ts');
  await runCli(process.argv.slice(2));
}
