/**
 * Slab: reference-counted chunks of memory for received and outgoing bytes.
 *
 * S1  a chunk is free, or has at least one reference; its last release frees it, once.
 * S2  memory handed out never exceeds `sizeMax`; `acquire` then returns null and the caller
 *     fails its exchange with `Fault.memoryLimit`.
 * S3  in debug mode a released chunk is filled with a pattern that is checked on reuse, a release
 *     too many throws, and `leaks()` lists who acquired what is still held.
 */
export {};
