/**
 * Registry: every middleware this build knows, one explicit line each; nothing registers itself.
 */

import type { Middleware } from '../data/chain/middleware.ts';

type Link = (config: unknown) => Middleware;

/** By kind, as in `[middlewares.<name>.<kind>]`. */
const MIDDLEWARES: { readonly [kind: string]: Link } = {};

/** @throws when control let an unknown kind through: a bug, not a user's mistake */
export function linkMiddleware(kind: string, config: unknown): Middleware {
  const link = Object.hasOwn(MIDDLEWARES, kind) ? MIDDLEWARES[kind] : undefined;
  if (link === undefined) throw new Error(`no middleware of kind ${kind}`);
  return link(config);
}
