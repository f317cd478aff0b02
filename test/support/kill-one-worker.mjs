// Preloaded into the proxy by a test: the worker that finds (and takes) the file ends itself.
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['TEST_KILL_ONE_WORKER'];
if (!isMainThread && file !== undefined) {
  setInterval(() => {
    try {
      fs.unlinkSync(file);
    } catch {
      return; // Not there, or another worker was first.
    }
    process.exit(7); // In a worker: ends this thread only.
  }, 20).unref();
}
