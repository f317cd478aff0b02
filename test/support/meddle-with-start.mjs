// Preloaded into the proxy by a test: the proxy process that finds (and takes) the file ends
// itself before it serves, or takes a while when the file says `wait`.
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['TEST_MEDDLE_WITH_START'];
if (isMainThread && process.argv[2] === 'proxy-process' && file !== undefined) {
  let order = '';
  try {
    order = fs.readFileSync(file, 'utf8');
    fs.unlinkSync(file);
  } catch {
    // Not there: an ordinary start.
  }
  if (order === 'exit') process.exit(9);
  if (order === 'wait') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
}
