// Preloaded into the proxy by a test: the worker that finds (and takes) the file ends itself, or
// throws where nobody catches when the file says `throw`.
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['TEST_KILL_ONE_WORKER'];
if (!isMainThread && file !== undefined) {
  setInterval(() => {
    let order = '';
    try {
      order = fs.readFileSync(file, 'utf8');
      fs.unlinkSync(file);
    } catch {
      return; // Not there, or another worker was first.
    }
    if (order === 'throw') throw new Error('thrown by a test');
    process.exit(7); // In a worker: ends this thread only.
  }, 20).unref();
}
