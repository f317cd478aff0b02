/** A self-contained HTML page with one SVG plot per measured series. */

import { linearFit, percentPerHour, type Fit, type Sample } from './linear-fit.ts';

export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly Sample[];
}

export interface SeriesResult extends Series {
  /** Fit over the samples after warm-up. */
  readonly fit: Fit;
  /** Fitted growth in per cent of the value at the end of warm-up, per hour. */
  readonly growth: number;
  /** Standard error of `growth`. */
  readonly growthError: number;
}

const WIDTH = 860;
const HEIGHT = 220;
const LEFT = 70;
const BOTTOM = 24;

/** Fits the part of a series after `warmUpS`. */
export function analyse(series: Series, warmUpS: number): SeriesResult {
  const steady = series.samples.filter((sample) => sample.x >= warmUpS);
  const fit = linearFit(steady);
  const base = fit.intercept + fit.slope * warmUpS;
  return {
    ...series,
    fit,
    growth: percentPerHour(fit.slope, base),
    growthError: percentPerHour(fit.slopeError, base),
  };
}

function plot(result: SeriesResult, warmUpS: number): string {
  const { samples, fit } = result;
  const endX = Math.max(1, ...samples.map((sample) => sample.x));
  const top = Math.max(...samples.map((sample) => sample.y), 0) * 1.1 || 1;
  const left = (x: number): string => (LEFT + (x / endX) * (WIDTH - LEFT - 10)).toFixed(1);
  const down = (y: number): string =>
    (HEIGHT - BOTTOM - (y / top) * (HEIGHT - BOTTOM - 10)).toFixed(1);
  const points = samples.map(({ x, y }) => `${left(x)},${down(y)}`).join(' ');
  const at = (x: number): string => `${left(x)},${down(fit.intercept + fit.slope * x)}`;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = down(top * part);
    const label = (top * part).toPrecision(3);
    return (
      `<line x1="${LEFT}" x2="${WIDTH - 10}" y1="${y}" y2="${y}" class="grid"/>` +
      `<text x="${LEFT - 6}" y="${y}" class="y">${label}</text>`
    );
  });
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${grid.join('')}` +
    `<rect x="${LEFT}" y="10" width="${Number(left(warmUpS)) - LEFT}" ` +
    `height="${HEIGHT - BOTTOM - 10}" class="warm"/>` +
    `<polyline points="${points}" class="line"/>` +
    `<polyline points="${at(warmUpS)} ${at(endX)}" class="fit"/>` +
    `<text x="${WIDTH - 10}" y="${HEIGHT - 6}" class="x">${Math.round(endX)} s</text></svg>`
  );
}

/** `growth ± error` in words. */
export function growthText(result: SeriesResult): string {
  return `${result.growth.toFixed(2)} ± ${result.growthError.toFixed(2)} %/h`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The page. `summary` is plain text. */
export function renderReport(
  results: readonly SeriesResult[],
  warmUpS: number,
  summary: readonly string[],
): string {
  const sections = results.map(
    (result) =>
      `<h2>${escapeHtml(result.name)} (${escapeHtml(result.unit)}): ${growthText(result)}</h2>` +
      plot(result, warmUpS),
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Soak</title><style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem;
  color: #1c2430; background: #fff }
h2 { font-size: 1rem; margin: 1.5rem 0 .3rem } svg { width: 100%; height: auto }
.grid { stroke: #dde3ea } .y { font-size: 11px; text-anchor: end; dominant-baseline: middle }
.x { font-size: 11px; text-anchor: end } .warm { fill: #f0f3f7 }
.line { fill: none; stroke: #2563c9; stroke-width: 1.5 }
.fit { fill: none; stroke: #c2410c; stroke-width: 2; stroke-dasharray: 6 4 }
</style><h1>Soak</h1><ul>${summary.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>
<p>Grey: warm-up, not fitted. Dashed: least-squares line.</p>${sections.join('\n')}</html>
`;
}
