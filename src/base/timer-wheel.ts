/**
 * Timer wheel: coarse one-shot timers whose re-arming costs a store.
 *
 * W1  a timer never fires before its deadline, and fires at the first `advance` that is one
 *     resolution step or more past it.
 * W2  timers fire in order of their deadline, rounded up to the resolution; the order inside one
 *     step is unspecified. A clock that jumped (a process stopped and thawed) fires each due timer
 *     once, in the same order.
 * W3  `set` and `clear` allocate nothing.
 * W4  between two calls of `advance` the wheel's time moves by at most `turnMax`: time in which
 *     nothing ran (a process stopped, a machine paused) is nobody's delay. What was armed with
 *     more than that to go is still armed after any stall.
 *
 * One ring of buckets. A timer re-armed to a later deadline stays in its bucket; when the bucket
 * comes up it moves to where it belongs. So a connection that pushes its idle
 * deadline on every request touches no list, and a delay longer than one turn is looked at once a
 * turn.
 */

const BUCKET_COUNT = 512; // A power of two; 25.6 s for one turn at 50 ms.
/** Default of `turnMaxMs`: no limit. */
const TURN_UNLIMITED = Infinity;

export interface TimerWheelOptions {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Called when the wheel, until now empty, holds a timer: start calling `advance`. */
  readonly onWake?: () => void;
  readonly resolutionMs?: number;
  /** Most time that one turn of the driver may count for (W4). */
  readonly turnMaxMs?: number;
}

export class TimerWheel {
  /** Timers in buckets; at 0 the driver may sleep. */
  linkedCount = 0;

  readonly resolutionMs: number;
  readonly #clockMs: () => number;
  readonly #turnMaxMs: number;
  readonly #onWake: () => void;
  readonly #buckets: (WheelTimer | null)[];
  /** Time that was skipped so far: the wheel's clock is behind the driver's by as much. */
  #skippedMs = 0;
  /** The driver's clock at the last `advance`, or when the wheel woke. */
  #turnMs: number;
  /** The last step whose bucket is empty. */
  #tick: number;
  /** The first step a timer may be put in: the next one, while firing the one after. */
  #tickMin: number;
  #isAdvancing = false;

  constructor(options: TimerWheelOptions) {
    this.resolutionMs = options.resolutionMs ?? 50;
    this.#clockMs = options.nowMs;
    this.#turnMaxMs = options.turnMaxMs ?? TURN_UNLIMITED;
    this.#onWake = options.onWake ?? ignore;
    this.#buckets = Array.from({ length: BUCKET_COUNT }, () => null);
    this.#turnMs = this.#clockMs();
    this.#tick = Math.floor(this.#turnMs / this.resolutionMs);
    this.#tickMin = this.#tick + 1;
  }

  /** A timer that calls `onTimer`; made once per owner. */
  timer(onTimer: () => void): WheelTimer {
    return new WheelTimer(this, onTimer);
  }

  /**
   * Fires what is due at `nowMs`. A clock that went back fires nothing. Timers set by the
   * callbacks fire in this call only if they are already due. An exception of a callback leaves
   * the wheel consistent; the timers behind it fire at the next call.
   */
  advance(nowMs: number): void {
    if (this.#isAdvancing) return;
    const target = Math.floor(this.#turn(nowMs) / this.resolutionMs);
    this.#isAdvancing = true;
    try {
      while (this.#tick < target) {
        if (this.linkedCount === 0) this.#tick = target - 1;
        this.#tickMin = this.#tick + 2;
        this.#fire(this.#tick + 1);
        this.#tick++;
      }
    } finally {
      this.#isAdvancing = false;
      this.#tickMin = this.#tick + 1;
    }
  }

  /** Arms `timer`; called by `WheelTimer.set`. */
  arm(timer: WheelTimer, delayMs: number): void {
    const clockMs = this.#clockMs();
    if (this.linkedCount === 0 && !this.#isAdvancing) this.#turnMs = clockMs; // It slept.
    const nowMs = this.#wheelMs(clockMs);
    const deadline = Math.ceil((nowMs + (delayMs > 0 ? delayMs : 0)) / this.resolutionMs);
    timer.deadlineTick = deadline;
    timer.isSet = true;
    if (timer.isLinked) {
      if (deadline >= timer.linkedTick) return; // Moved on when its bucket comes up.
      this.#unlink(timer);
    }
    if (this.linkedCount === 0 && !this.#isAdvancing) {
      const tick = Math.floor(nowMs / this.resolutionMs); // Nothing to fire on the way.
      if (tick > this.#tick) this.#tick = tick;
      this.#tickMin = this.#tick + 1;
    }
    this.#link(timer);
    if (this.linkedCount === 1) this.#onWake();
  }

  /** Takes a cleared timer out at once: its owner may be a connection that is gone. */
  /** Of an armed timer. */
  remainingMs(timer: WheelTimer): number {
    return timer.deadlineTick * this.resolutionMs - this.#wheelMs(this.#clockMs());
  }

  disarm(timer: WheelTimer): void {
    this.#unlink(timer);
  }

  /** A turn of the driver begins at `nowMs` of its clock. @returns the wheel's time (W4) */
  #turn(nowMs: number): number {
    const stallMs = nowMs - this.#turnMs - this.#turnMaxMs;
    if (stallMs > 0) this.#skippedMs += stallMs;
    this.#turnMs = nowMs;
    return nowMs - this.#skippedMs;
  }

  /** The wheel's time inside of a turn. */
  #wheelMs(nowMs: number): number {
    const stallMs = nowMs - this.#turnMs - this.#turnMaxMs;
    return nowMs - this.#skippedMs - (stallMs > 0 ? stallMs : 0);
  }

  #fire(tick: number): void {
    const index = tick & (BUCKET_COUNT - 1);
    for (;;) {
      const timer = this.#buckets[index]!;
      if (timer === null) return;
      this.#unlink(timer);
      if (!timer.isSet) continue;
      if (timer.deadlineTick > tick) {
        this.#link(timer);
        continue;
      }
      timer.isSet = false;
      timer.onTimer();
    }
  }

  #link(timer: WheelTimer): void {
    const tickMax = this.#tickMin + BUCKET_COUNT - 2;
    let tick = timer.deadlineTick;
    if (tick < this.#tickMin) tick = this.#tickMin;
    if (tick > tickMax) tick = tickMax;
    const index = tick & (BUCKET_COUNT - 1);
    const head = this.#buckets[index]!;
    timer.linkedTick = tick;
    timer.isLinked = true;
    timer.next = head;
    timer.previous = null;
    if (head !== null) head.previous = timer;
    this.#buckets[index] = timer;
    this.linkedCount++;
  }

  #unlink(timer: WheelTimer): void {
    const { next, previous } = timer;
    if (next !== null) next.previous = previous;
    if (previous !== null) previous.next = next;
    else this.#buckets[timer.linkedTick & (BUCKET_COUNT - 1)] = next;
    timer.next = null;
    timer.previous = null;
    timer.isLinked = false;
    this.linkedCount--;
  }
}

/** A one-shot timer. Everything but `set`, `clear` and `isSet` belongs to the wheel. */
export class WheelTimer {
  isSet = false;
  isLinked = false;
  deadlineTick = 0;
  linkedTick = 0;
  next: WheelTimer | null = null;
  previous: WheelTimer | null = null;
  readonly onTimer: () => void;
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel, onTimer: () => void) {
    this.#wheel = wheel;
    this.onTimer = onTimer;
  }

  /** Arms, or re-arms, to fire once `delayMs` from now; a delay that is not positive is 0. */
  set(delayMs: number): void {
    this.#wheel.arm(this, delayMs);
  }

  /** Time until it fires, rounded up to the resolution; 0 when it is not armed. */
  get remainingMs(): number {
    return this.isSet ? this.#wheel.remainingMs(this) : 0;
  }

  /** Disarms; harmless when not armed. */
  clear(): void {
    this.isSet = false;
    if (this.isLinked) this.#wheel.disarm(this);
  }
}

function ignore(): void {}
