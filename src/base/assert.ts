/**
 * The one assertion: a broken belief of ours, never a peer's doing.
 */

/**
 * Throws when `condition` is false.
 * @param message constant text: a template would be built even when the condition holds
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
