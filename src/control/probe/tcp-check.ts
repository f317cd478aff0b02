/**
 * Check of kind `tcp`: well is what accepts a connection.
 */

import { connect } from 'node:net';

import type { RunCheck } from './check.ts';
import { addressOf, verdictOf } from './check.ts';

export const tcpCheck: RunCheck = (target, config, done) => {
  const socket = connect(addressOf(target, config));
  socket.once('connect', () => {
    socket.destroy();
    done('');
  });
  // A stopped check emits no error: the socket is destroyed without one.
  socket.on('error', (error) => done(verdictOf(error)));
  return () => socket.destroy();
};
