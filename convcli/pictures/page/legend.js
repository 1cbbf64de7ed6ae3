// Color bars: which value has which color.

import { paint, writeColor } from "./colors.js";
import { make, makeSvg, setText } from "./dom.js";
import { formatNumber } from "./text.js";

/** @typedef {import("./colors.js").Scale} Scale */
/** @typedef {import("./colors.js").Palette} Palette */

const STEPS = 32;
const WIDTH = 160; // of the bar, in pixels
const HEIGHT = 12;
/** What a range policy shows as black, in the middle and as white. @type {Record<string, [string, string, string]>} */
const GRAY_NAMES = {
  clamp: ["\u2264 0", "128", "\u2265 255"],
  abs: ["0", "\u00b1128", "\u2265 \u00b1255"],
  offset: ["\u2264 \u2212128", "0", "\u2265 127"],
  rescale: ["least", "", "largest"],
};

/** Make a legend. @param {string} name */
export function makeLegend(name) {
  const bar = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
  const ticks = [make("span"), make("span"), make("span")];
  const title = make("span", { className: "legend-name" });
  const element = make("div", { className: "legend" }, title, bar, make("div", { className: "legend-ticks" }, ...ticks));

  /** Show a scale; null hides the legend. @param {Scale | null} scale @param {Palette} palette */
  function update(scale, palette) {
    element.hidden = scale === null;
    if (scale === null) return;
    const { kind, low, high } = scale;
    const parts = Array.from({ length: STEPS }, (_, index) => {
      const value = low + ((high - low) * (index + 0.5)) / STEPS;
      const x = (index * WIDTH) / STEPS;
      return makeSvg("rect", { x, y: 0, width: WIDTH / STEPS + 0.5, height: HEIGHT, fill: writeColor(paint(value, scale, palette)) });
    });
    bar.replaceChildren(...parts);
    const names = kind === "gray" ? GRAY_NAMES[scale.name] : [low, (low + high) / 2, high].map((value) => formatNumber(value, 4));
    for (const [index, tick] of ticks.entries()) setText(tick, names[index]);
    setText(title, `${name}, ${scale.name}`);
  }

  return { element, update };
}
