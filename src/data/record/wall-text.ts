/**
 * Wall-clock text, made once per second and copied from then on.
 *
 * Both forms are kept as bytes: RFC 3339 up to the second (milliseconds are appended by the
 * writer), and the Common Log Format's `10/Oct/2000:13:55:36 +0000`. Always UTC.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Bytes of `2026-01-02T03:04:05`. */
export const RFC3339_SECOND_SIZE = 19;
/** Bytes of `10/Oct/2000:13:55:36 +0000`. */
export const COMMON_TIME_SIZE = 26;
/** Latest time with a four-digit year; later (or invalid) clocks show as this one. */
const WALL_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59);

export class WallText {
  readonly rfc3339 = new Uint8Array(RFC3339_SECOND_SIZE);
  readonly common = new Uint8Array(COMMON_TIME_SIZE);
  private second = -1;

  /** Makes both texts those of `wallMs` (milliseconds since 1970). Cheap within one second. */
  update(wallMs: number): void {
    const second = Math.floor(wallMs / 1_000);
    if (second === this.second) return;
    this.second = second;
    const isSane = wallMs >= 0 && wallMs <= WALL_MS_MAX;
    const date = new Date(isSane ? wallMs : WALL_MS_MAX);
    const iso = date.toISOString();
    const month = MONTHS[date.getUTCMonth()]!;
    copyAscii(iso, RFC3339_SECOND_SIZE, this.rfc3339);
    const day = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}`;
    copyAscii(`${day}:${iso.slice(11, 19)} +0000`, COMMON_TIME_SIZE, this.common);
  }
}

function copyAscii(text: string, size: number, out: Uint8Array): void {
  for (let i = 0; i < size; i++) out[i] = text.charCodeAt(i);
}
