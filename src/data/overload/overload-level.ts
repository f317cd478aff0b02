/**
 * Overload level: how short of memory a worker is, as the one number that the request path reads.
 *
 * O1  the level follows the highest pressure given (a share, 1 is the limit): it rises with the
 *     sample that crosses a threshold and falls by one after `CALM_SAMPLES` samples in a row below
 *     the threshold minus `HYSTERESIS`, so that it does not flap.
 * O2  without a known limit there is no pressure, and the level stays 0.
 *
 * What each level sheds, in which order, and why a slow event loop raises none:
 * docs/internals/overload.md.
 */

export const OverloadLevel = {
  calm: 0,
  /** Connections are closed after their answer, idle ones at once, oldest first. */
  closing: 1,
  /** New requests are refused as well, but for a trickle. */
  refusing: 2,
} as const;
export type OverloadLevel = (typeof OverloadLevel)[keyof typeof OverloadLevel];

/** Pressure at which a level begins. */
export const CLOSING_PRESSURE = 0.85;
export const REFUSING_PRESSURE = 0.92;
/**
 * Exchanges of a worker, and connections, that are served at any level. Memory that stays in use
 * without them (a container that is too small at rest) must not mean that nothing is served.
 */
export const TRICKLE_COUNT = 8;
/** A level ends this much below where it begins … */
export const HYSTERESIS = 0.05;
/** … after as many samples in a row: a second, at four samples a second. */
export const CALM_SAMPLES = 4;

export class OverloadMeter {
  level: OverloadLevel = OverloadLevel.calm;
  /** The last pressure given. */
  pressure = 0;
  private calmCount = 0;

  /** Takes a sample between two others, which can only raise the level. @returns as `update` */
  raise(pressure: number): boolean {
    return levelOf(pressure) > this.level && this.update(pressure);
  }

  /**
   * Takes one sample, several times a second.
   * @param pressure the highest of all shares in use; 0 when no limit is known
   * @returns true when the level changed
   */
  update(pressure: number): boolean {
    this.pressure = pressure;
    const before = this.level;
    const reached = levelOf(pressure);
    if (reached > before) {
      this.level = reached;
      this.calmCount = 0;
      return true;
    }
    const isCalmer = before > 0 && levelOf(pressure + HYSTERESIS) < before;
    this.calmCount = isCalmer ? this.calmCount + 1 : 0;
    if (this.calmCount < CALM_SAMPLES) return false;
    this.calmCount = 0;
    this.level = (before - 1) as OverloadLevel;
    return true;
  }
}

function levelOf(pressure: number): OverloadLevel {
  if (pressure >= REFUSING_PRESSURE) return OverloadLevel.refusing;
  return pressure >= CLOSING_PRESSURE ? OverloadLevel.closing : OverloadLevel.calm;
}
