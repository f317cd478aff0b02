/** Self time by function from V8 CPU profiles. Pure. */

/** The parts of a .cpuprofile file that are read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** Node id at each sample. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  /** File and line, shortened to what follows the last `src/` or `node_modules/`. */
  readonly place: string;
  readonly us: number;
}

/** V8's pseudo functions that are not work. */
const NOT_WORK = new Set(['(idle)', '(root)']);

function shortPlace(url: string, line: number): string {
  if (url === '') return '';
  const path = url.replace(/^file:\/\//, '');
  const at = Math.max(path.lastIndexOf('/src/'), path.lastIndexOf('/node_modules/'));
  const name = at >= 0 ? path.slice(at + 1) : path.slice(path.lastIndexOf('/') + 1);
  return `${name}:${line + 1}`;
}

/**
 * Adds up the time between samples by function, over all `profiles`, largest first. `(program)`
 * is time in native code and the kernel, `(garbage collector)` speaks for itself; idle time is
 * left out.
 */
export function selfTimes(profiles: readonly CpuProfile[]): SelfTime[] {
  const sums = new Map<string, { name: string; place: string; us: number }>();
  for (const profile of profiles) {
    const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
    profile.samples.forEach((id, at) => {
      const frame = frames.get(id);
      if (frame === undefined || NOT_WORK.has(frame.functionName)) return;
      const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
      const place = shortPlace(frame.url, frame.lineNumber);
      const key = `${name}\n${place}`;
      const sum = sums.get(key) ?? { name, place, us: 0 };
      // The time until the next sample belongs to this one.
      sum.us += profile.timeDeltas[at + 1] ?? 0;
      sums.set(key, sum);
    });
  }
  return [...sums.values()].toSorted((a, b) => b.us - a.us);
}
