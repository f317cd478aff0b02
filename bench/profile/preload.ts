/**
 * Loaded into every thread of Proxy Now by `bench/profile.ts` (NODE_OPTIONS=--import): profiles
 * a thread while it is under steady load, without a word to the product.
 *
 * The folder PROXY_NOW_PROFILE_DIR is the remote control: a file `start` begins the profile, a
 * file `stop` ends it and leaves PID-THREAD.cpuprofile there. With PROXY_NOW_TRACE_DEOPT set, V8
 * prints each deoptimisation to stdout instead.
 */

import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { threadId } from 'node:worker_threads';

const POLL_MS = 100;
const SAMPLING_US = 1000;

function writeProfile(dir: string, profile: object): void {
  const path = join(dir, `${process.pid}-${threadId}.cpuprofile`);
  // Renamed when whole, so that nobody reads half a profile.
  writeFileSync(`${path}.part`, JSON.stringify(profile));
  renameSync(`${path}.part`, path);
}

function watch(dir: string): void {
  const session = new Session();
  let isProfiling = false;
  const timer = setInterval(() => {
    if (!isProfiling && existsSync(join(dir, 'start'))) {
      isProfiling = true;
      session.connect();
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: SAMPLING_US });
      session.post('Profiler.start');
    } else if (isProfiling && existsSync(join(dir, 'stop'))) {
      clearInterval(timer);
      session.post('Profiler.stop', (error, result) => {
        if (error === null) writeProfile(dir, result.profile);
      });
    }
  }, POLL_MS);
  timer.unref();
}

if (process.env['PROXY_NOW_TRACE_DEOPT']) setFlagsFromString('--trace-deopt');
const dir = process.env['PROXY_NOW_PROFILE_DIR'];
if (dir) watch(dir);
