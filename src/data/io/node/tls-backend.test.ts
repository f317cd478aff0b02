import { describeTls } from '../backend.contract.ts';
import { open } from './node-harness.contract.ts';
import { makeTls } from './tls-fixtures.contract.ts';

describeTls('node', (memoryMax) => open(memoryMax), makeTls());
describeTls(
  'node, TLS 1.2,',
  (memoryMax) => open(memoryMax),
  makeTls({ server: { maxVersion: '1.2' } }),
);
