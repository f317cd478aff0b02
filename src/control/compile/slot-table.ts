/**
 * Slots: the place of each named node in a list of the snapshot, kept while the node lives, so
 * that what refers to it by index need not change when others come and go.
 *
 * S1  slots are 0, 1 and so on, without gap: a hole is filled by a new node, or by the last one.
 * S2  `specs` is a new array whenever one of its elements is, and the same one otherwise.
 */

import { assert } from '../../base/assert.ts';
import { isSame } from '../../base/is-same.ts';
import { diffNodes } from './node-diff.ts';

interface Named {
  readonly name: string;
}

/** A node whose spec was made: it is new, differs, has another slot, or was asked for. */
export interface Placed<Node> {
  readonly node: Node;
  readonly slot: number;
  /** What it was and where; null and -1 for a new one. */
  readonly oldNode: Node | null;
  readonly oldSlot: number;
}

export interface SlotChanges<Node> {
  readonly placed: readonly Placed<Node>[];
  readonly removed: readonly { readonly node: Node; readonly slot: number }[];
  /** Names of nodes whose slot is another one than before, new ones not counted. */
  readonly moved: ReadonlySet<string>;
  readonly isReordered: boolean;
}

export interface SlotTableOptions<Node, Spec> {
  readonly isEqual: (before: Node, after: Node) => boolean;
  readonly makeSpec: (node: Node) => Spec;
  /** Called before specs are made, for nodes that are gone or differ. */
  readonly onLeave?: (before: Node, after: Node | null) => void;
}

export class SlotTable<Node extends Named, Spec> {
  readonly #options: SlotTableOptions<Node, Spec>;
  /** In order of declaration. */
  #nodes: readonly Node[] = [];
  /** By index of declaration. */
  #slots = new Int32Array(0);
  readonly #slotByName = new Map<string, number>();
  #specs: readonly Spec[] = [];

  constructor(options: SlotTableOptions<Node, Spec>) {
    this.#options = options;
  }

  /** By slot. */
  get specs(): readonly Spec[] {
    return this.#specs;
  }

  /** In order of declaration. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** Slot of the node at an index of declaration. */
  slotAt(index: number): number {
    return this.#slots[index]!;
  }

  /** @throws when no node has that name */
  slotOf(name: string): number {
    const slot = this.#slotByName.get(name);
    assert(slot !== undefined, 'references are validated before they are compiled');
    return slot;
  }

  /**
   * @param nodes    what there is from now on, in order of declaration
   * @param isStale  nodes whose spec has to be made again although they are the same; null: none
   */
  update(nodes: readonly Node[], isStale: ((node: Node) => boolean) | null): SlotChanges<Node> {
    const before = this.#nodes;
    const oldSlots = this.#slots;
    const diff = diffNodes(before, nodes, this.#options.isEqual);
    const removed = diff.removed.map((old) => ({ node: before[old]!, slot: oldSlots[old]! }));
    const free = removed.map(({ slot }) => slot).toSorted((a, b) => b - a); // Lowest one last.
    const slots = diff.origins.map((old) => (old < 0 ? -1 : oldSlots[old]!));
    const toPlace = new Set(diff.edited);
    for (const { name } of removed.map(({ node }) => node)) this.#slotByName.delete(name);
    let size = before.length;
    for (const [index, old] of diff.origins.entries()) {
      if (old >= 0) continue;
      slots[index] = free.pop() ?? size++;
      toPlace.add(index);
    }
    const moved = closeHoles(slots, free, size);
    for (const index of moved) toPlace.add(index);
    if (isStale !== null) {
      for (const [index, node] of nodes.entries()) if (isStale(node)) toPlace.add(index);
    }
    this.#nodes = nodes;
    this.#slots = slots;
    const placed = [...toPlace].map((index): Placed<Node> => {
      const old = diff.origins[index]!;
      const oldNode = old < 0 ? null : before[old]!;
      const oldSlot = old < 0 ? -1 : oldSlots[old]!;
      return { node: nodes[index]!, slot: slots[index]!, oldNode, oldSlot };
    });
    for (const { node, slot } of placed) this.#slotByName.set(node.name, slot);
    this.#makeSpecs(placed, removed);
    const movedNames = new Set(moved.map((index) => nodes[index]!.name));
    return { placed, removed, moved: movedNames, isReordered: diff.isReordered };
  }

  #makeSpecs(placed: readonly Placed<Node>[], removed: readonly { readonly node: Node }[]): void {
    if (placed.length + removed.length === 0) return;
    const { makeSpec, onLeave } = this.#options;
    for (const { node } of removed) onLeave?.(node, null);
    for (const { node, oldNode } of placed) if (oldNode !== null) onLeave?.(oldNode, node);
    const specs = this.#specs.slice(0, this.#nodes.length);
    let isChanged = removed.length > 0;
    for (const { node, slot } of placed) {
      const spec = makeSpec(node);
      if (slot < specs.length && isSame(specs[slot], spec)) continue;
      specs[slot] = spec;
      isChanged = true;
    }
    if (isChanged) this.#specs = specs;
  }
}

/**
 * Gives the highest slots to holes, from the lowest one up.
 * @param free  holes, the lowest one last
 * @param size  past the highest slot
 * @returns indexes of the nodes that got another slot
 */
function closeHoles(slots: Int32Array, free: readonly number[], size: number): number[] {
  const moved: number[] = [];
  const holes = new Set(free);
  let last = size - 1;
  for (const hole of free.toReversed()) {
    while (holes.has(last)) last--;
    if (hole > last) break;
    const index = slots.indexOf(last);
    slots[index] = hole;
    moved.push(index);
    last--;
  }
  return moved;
}
