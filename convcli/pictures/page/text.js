// Numbers and sentences as people read them. No DOM.

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Step} Step */
/** @typedef {import("./types.d.ts").Tap} Tap */
/** @typedef {import("./types.d.ts").Position} Position */
/** @typedef {import("./types.d.ts").OutputPosition} OutputPosition */

const MINUS = "\u2212";
const TIMES = "\u00d7";
/** The channels of a color picture. */
export const COLOR_NAMES = ["red", "green", "blue"];

/**
 * Write a number with so many significant digits at most, and a proper minus.
 * @param {number} value
 * @param {number} [digits]
 */
export function formatNumber(value, digits = 6) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? `${MINUS}\u221e` : "\u221e";
  return String(Number(value.toPrecision(digits))).replace("e+", "e").replaceAll("-", MINUS);
}

/** Write a number for a cell: three digits, or a whole number of five at most. @param {number} value */
export function formatCell(value) {
  const isShortInteger = Number.isInteger(value) && Math.abs(value) < 1e5;
  return formatNumber(value, isShortInteger ? 5 : 3);
}

/** Write a number as a term or a factor: a negative one in brackets. @param {string} text */
export function bracket(text) {
  return text.startsWith(MINUS) ? `(${text})` : text;
}

/** A message of the command as a sentence of the page. @param {string} note */
export function writeNote(note) {
  return `${note[0].toUpperCase()}${note.slice(1)}.`.replace(/(\d)x(?=\d)/g, `$1${TIMES}`);
}

/** @param {readonly number[]} sizes */
export function formatSize(sizes) {
  return sizes.join(TIMES);
}

/**
 * Read a number as people write it: 2, -0.5, \u22121, 1e-3 or 1/9. NaN for anything else.
 * @param {string} text
 */
export function readNumber(text) {
  const plain = text.trim().replaceAll(MINUS, "-");
  const found = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?)(?:\/(\d+\.?\d*))?$/i.exec(plain);
  if (found === null) return NaN;
  const value = Number(found[1]) / (found[2] === undefined ? 1 : Number(found[2]));
  return Number.isFinite(value) ? value : NaN;
}

/** Write whole numbers as a range: "rows 1 to 3". @param {string} name @param {number[]} values */
function formatRange(name, values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return low === high ? `${name} ${formatNumber(low)}` : `${name}s ${formatNumber(low)} to ${formatNumber(high)}`;
}

/** @param {Position[]} positions */
export function formatPlaces(positions) {
  const rows = formatRange("row", positions.map(({ row }) => row));
  return `${rows}, ${formatRange("column", positions.map(({ column }) => column))}`;
}

/** @param {number} count @param {string} noun */
function countNoun(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The taps of a step that count. @param {Step} step @param {State} state */
function countTaps(step, state) {
  return state.op === "avgpool" || state.op === "maxpool"
    ? step.taps.filter((tap) => tap.isCounted).length
    : step.taps.length;
}

/**
 * Say a step in one sentence.
 * @param {State} state
 * @param {OutputPosition} at
 * @param {Step} step
 */
export function describeStep(state, at, step) {
  const place = `Output row ${at.row}, column ${at.column}`;
  const window = step.taps.length > 0 ? `input ${formatPlaces(step.taps)}` : "no input";
  const count = countTaps(step, state);
  if (state.input === null) return `${place} is computed from ${window}.`;
  const start = `${place} is ${formatNumber(step.value)}:`;
  const channels = step.sums.length > 1 ? ` of ${step.sums.length} channels` : "";
  if (state.op === "maxpool") return `${start} the largest of ${countNoun(count, "value")}, ${window}.`;
  if (state.op === "avgpool") {
    return `${start} the sum ${formatNumber(step.sum)} over ${step.divisor}, ${window}.`;
  }
  const bias = step.bias === 0 ? "" : `, and the bias ${formatNumber(step.bias)}`;
  const relu = state.relu && step.sum + step.bias < 0 ? "; ReLU turns a negative sum to 0" : "";
  return `${start} the sum of ${countNoun(count, "product")}${bias}, ${window}${channels}${relu}.`;
}

/**
 * Say what an input feeds.
 * @param {Position} input
 * @param {number | null} value
 * @param {Position[]} outputs
 */
export function describeInput(input, value, outputs) {
  const start = `Input row ${input.row}, column ${input.column}`;
  const is = value === null ? "" : ` is ${formatNumber(value)} and`;
  if (outputs.length === 0) return `${start}${is} feeds no output.`;
  return `${start}${is} feeds ${countNoun(outputs.length, "output")}: ${formatPlaces(outputs)}.`;
}

/**
 * Say what a weight meets.
 * @param {Position} weight As it is applied.
 * @param {number | null} value
 * @param {Position[]} inputs
 */
export function describeWeight(weight, value, inputs) {
  const start = `Weight row ${weight.row}, column ${weight.column}`;
  const is = value === null ? "" : ` is ${formatNumber(value)} and`;
  if (inputs.length === 0) return `${start}${is} meets no input, but padding.`;
  return `${start}${is} meets ${countNoun(inputs.length, "input")}: ${formatPlaces(inputs)}.`;
}

/**
 * Write the terms of one row of the window: ["0 \u00d7 (\u22121)", "2 \u00d7 0"].
 * @param {State} state
 * @param {Tap[]} taps
 */
export function writeTerms(state, taps) {
  const isPool = state.op === "maxpool" || state.op === "avgpool";
  return taps
    .filter((tap) => tap.isCounted)
    .map((tap) => {
      const value = bracket(formatNumber(tap.value, 5));
      return isPool ? value : `${value} ${TIMES} ${bracket(formatNumber(tap.weight, 5))}`;
    });
}

/**
 * Write how the sums of the channels become the value: "3 + 4 + (\u22121) + 0.5 = 6.5".
 * @param {State} state
 * @param {Step} step
 */
export function writeResult(state, step) {
  const value = formatNumber(step.value);
  if (state.op === "maxpool") return `largest = ${value}`;
  if (state.op === "avgpool") return `${formatNumber(step.sum)} / ${step.divisor} = ${value}`;
  const parts = step.sums.map((sum) => formatNumber(sum));
  if (step.bias !== 0) parts.push(formatNumber(step.bias));
  let sum = parts.map((part, index) => (index === 0 ? part : bracket(part))).join(" + ");
  const total = formatNumber(step.sum + step.bias);
  if (parts.length > 1) sum = `${sum} = ${total}`;
  return state.relu ? `max(0, ${sum}) = ${value}`.replace(` = ${total}) = `, ") = ") : sum;
}
