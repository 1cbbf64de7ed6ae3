// Colors of values: gray levels, and scales centered at zero. No DOM but the style's variables.

/** @typedef {[number, number, number]} Color */

/**
 * How values become colors.
 * @typedef {object} Scale
 * @property {"gray" | "diverging" | "sequential"} kind
 * @property {number} low
 * @property {number} high
 * @property {string} name What the legend calls it.
 */

/**
 * The colors that values are painted with.
 * @typedef {object} Palette
 * @property {Color} negative
 * @property {Color} zero
 * @property {Color} positive
 * @property {Color} output
 */

/** @returns {Palette} */
export function readPalette() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const read = (name) => parseColor(style.getPropertyValue(name));
  return {
    negative: read("--negative"),
    zero: read("--zero"),
    positive: read("--positive"),
    output: read("--current"),
  };
}

/** @param {string} text Like #2166ac. @returns {Color} */
function parseColor(text) {
  const number = Number.parseInt(text.trim().slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

/** @param {Color} color @param {Color} other @param {number} share @returns {Color} */
function mix(color, other, share) {
  /** @param {0 | 1 | 2} index */
  const channel = (index) => Math.round(color[index] + (other[index] - color[index]) * share);
  return [channel(0), channel(1), channel(2)];
}

/**
 * Paint a value; minus infinity and NaN are painted as the low end.
 * @param {number} value
 * @param {Scale} scale
 * @param {Palette} palette
 * @returns {Color}
 */
export function paint(value, scale, palette) {
  const { kind, low, high } = scale;
  const number = Number.isFinite(value) ? Math.min(Math.max(value, low), high) : low;
  if (kind === "gray") {
    const level = high > low ? Math.round(((number - low) / (high - low)) * 255) : 128;
    return [level, level, level];
  }
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const share = largest === 0 ? 0 : Math.abs(number) / largest;
  if (kind === "sequential") return mix(palette.zero, palette.output, share);
  return mix(palette.zero, number < 0 ? palette.negative : palette.positive, share);
}

/** Black or white, whichever is easier to read on a color. @param {Color} color */
export function inkFor(color) {
  return luminance(color) > 0.179 ? "#000000" : "#ffffff";
}

/** The relative luminance of WCAG 2.2. @param {Color} color */
function luminance(color) {
  const [red, green, blue] = color.map((channel) => {
    const level = channel / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {Color} color */
export function writeColor(color) {
  return `rgb(${color.join(", ")})`;
}

/**
 * The scale of weights or of other signed values, centered at zero.
 * @param {number} largest The largest absolute value.
 * @returns {Scale}
 */
export function makeDiverging(largest) {
  return { kind: "diverging", low: -largest, high: largest, name: "zero-centered" };
}
