/** Every contender, Proxy Now first. */

import { caddy } from './caddy.ts';
import type { Contender } from './contender.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { proxyNow } from './proxy-now.ts';

export const CONTENDERS: readonly Contender[] = [proxyNow, nginx, haproxy, caddy];
