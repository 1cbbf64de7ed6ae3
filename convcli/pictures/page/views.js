// What each grid shows of a state: cells of input, kernel, products and output. No DOM.

import {
  axisOutput, computeOutputs, droppedRows, effectiveKernel, explainOutput, findBounds, findInputs, findOutputs,
  inputChannels, isPool, listPlanes, makeAxes, outputSize, paddingValue, sourceIndex, toLevels,
} from "./arithmetic.js";
import { inkFor, makeDiverging, paint, writeColor } from "./colors.js";
import { formatCell, formatNumber } from "./text.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Step} Step */
/** @typedef {import("./types.d.ts").Tap} Tap */
/** @typedef {import("./types.d.ts").Maps} Maps */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").OutputPosition} OutputPosition */
/** @typedef {import("./grids.js").Cell} Cell */
/** @typedef {import("./colors.js").Scale} Scale */
/** @typedef {import("./colors.js").Palette} Palette */

/**
 * What is pointed at: an output, an input, or a weight (by its place as typed).
 * @typedef {object} Focus
 * @property {"output" | "input" | "weight"} kind
 * @property {number} channel Of the input for an input or a weight.
 * @property {number} row
 * @property {number} column
 */

/**
 * All that the grids show, computed once a drawing.
 * @typedef {object} Scene
 * @property {State} state
 * @property {Focus} focus
 * @property {OutputPosition} at The output that is explained.
 * @property {Step} step
 * @property {{channel: number, plane: number[][]}[]} planes Of the output map.
 * @property {Map<string, Tap>} tapsByInput By "channel,row,column".
 * @property {Map<string, {tap: Tap, sum: number}>} tapsByWeight By "channel,row,column", with the running sum.
 * @property {Map<string, number | null>} fed Outputs fed by the input in focus, with the weights, by "row,column".
 * @property {Set<string>} met Inputs met by the weight in focus, by "row,column".
 * @property {Maps | null} outputs
 * @property {Scale} outputScale
 * @property {number} largestWeight
 * @property {number} largestProduct
 * @property {Pair} dropped
 * @property {boolean} isPicture
 * @property {number} filled Outputs after this index are not yet computed, while it plays.
 * @property {Palette} palette
 */

const MAX_FED = 400; // outputs whose weights are found

/** @type {WeakMap<object, Maps>} */
const outputsByState = new WeakMap();

/** The outputs of a state, computed once. @param {State} state */
export function readOutputs(state) {
  if (state.input === null) return null;
  let outputs = outputsByState.get(state);
  if (outputs === undefined) {
    outputs = computeOutputs(state);
    outputsByState.set(state, outputs);
  }
  return outputs;
}

/** Take the engine's numbers for a state. @param {State} state @param {(number | null)[][][]} maps null is minus infinity. */
export function takeOutputs(state, maps) {
  outputsByState.set(state, maps.map((map) => map.map((row) => row.map((value) => value ?? -Infinity))));
}

/** Keep what was computed when only the position moves. @param {State} from @param {State} to */
export function keepOutputs(from, to) {
  const outputs = outputsByState.get(from);
  if (outputs !== undefined) outputsByState.set(to, outputs);
}

/**
 * @param {State} state
 * @param {Focus} focus
 * @param {{isPicture: boolean, palette: Palette, filled: number}} look
 * @returns {Scene}
 */
export function makeScene(state, focus, look) {
  const at = focus.kind === "output" ? { channel: state.at.channel, row: focus.row, column: focus.column } : state.at;
  const explained = explainOutput(fillInput(state), at);
  // Weights of a transposed convolution that lie beyond the input meet nothing.
  const taps = state.op === "tconv" ? explained.taps.filter((tap) => !tap.isPadding) : explained.taps;
  const step = { ...explained, taps };
  const outputs = readOutputs(state);
  const largest = Math.max(...state.weights.flat(3).map(Math.abs), 0);
  const products = step.taps.map((tap) => Math.abs(tap.product)).filter(Number.isFinite);
  return {
    state, focus, at, step, outputs, ...look,
    planes: listPlanes(state, at.channel),
    tapsByInput: new Map(step.taps.map((tap) => [`${tap.channel},${tap.row},${tap.column}`, tap])),
    tapsByWeight: addUp(step.taps, state.op === "maxpool"),
    fed: focus.kind === "input" ? findFed(state, focus) : new Map(),
    met: focus.kind === "weight" ? findMet(state, focus) : new Set(),
    outputScale: chooseOutputScale(state, outputs),
    largestWeight: largest,
    largestProduct: Math.max(...products, 0),
    dropped: droppedRows(state),
  };
}

/** The state with zeros where it has sizes alone. @param {State} state @returns {State} */
function fillInput(state) {
  if (state.input !== null) return state;
  const [height, width] = state.size;
  const row = Array(width).fill(0);
  return { ...state, input: Array(inputChannels(state)).fill(Array(height).fill(row)) };
}

/** @param {Tap[]} taps @param {boolean} isMaximum */
function addUp(taps, isMaximum) {
  /** @type {Map<string, {tap: Tap, sum: number}>} */
  const entries = new Map();
  let channel = -1;
  let sum = 0;
  for (const tap of taps) {
    if (tap.channel !== channel) sum = isMaximum ? -Infinity : 0;
    channel = tap.channel;
    sum = isMaximum ? Math.max(sum, tap.product) : sum + tap.product;
    entries.set(`${channel},${tap.kernelRow},${tap.kernelColumn}`, { tap, sum });
  }
  return entries;
}

/** @param {State} state @param {Focus} input */
function findFed(state, input) {
  /** @type {Map<string, number | null>} */
  const fed = new Map();
  if (!listPlanes(state, state.at.channel).some(({ channel }) => channel === input.channel)) return fed;
  const filled = fillInput(state);
  const outputs = findOutputs(state, input);
  for (const { row, column } of outputs) {
    if (outputs.length > MAX_FED) {
      fed.set(`${row},${column}`, null);
      continue;
    }
    const { taps } = explainOutput(filled, { ...state.at, row, column });
    const copies = taps.filter((tap) => tap.channel === input.channel && isCopyOf(tap, input, state));
    fed.set(`${row},${column}`, copies.reduce((sum, tap) => sum + tap.weight, 0));
  }
  return fed;
}

/** @param {Tap} tap @param {Focus} input @param {State} state */
function isCopyOf(tap, input, state) {
  const mode = state.op === "conv" ? state.mode : "zero";
  return (
    sourceIndex(tap.row, state.size[0], mode) === input.row &&
    sourceIndex(tap.column, state.size[1], mode) === input.column
  );
}

/** @param {State} state @param {Focus} focus */
function findMet(state, focus) {
  const inputs = findInputs(state, { kernelRow: focus.row, kernelColumn: focus.column });
  return new Set(inputs.map(({ row, column }) => `${row},${column}`));
}

/** @param {State} state @param {Maps | null} outputs @returns {Scale} */
function chooseOutputScale(state, outputs) {
  if (outputs === null) return { kind: "sequential", low: 0, high: 1, name: "" };
  if (state.range !== "none") return { kind: "gray", low: 0, high: 255, name: state.range };
  const { low, high } = findFiniteBounds(outputs);
  if (low < 0) return makeDiverging(Math.max(-low, high));
  return { kind: "sequential", low: 0, high, name: "0 to the largest" };
}

/** @param {Maps} maps */
function findFiniteBounds(maps) {
  const finite = maps.map((map) => map.map((row) => row.map((value) => (Number.isFinite(value) ? value : 0))));
  return findBounds(finite);
}

/** The rows and columns of the input that are drawn, padding included. @param {State} state @returns {[Pair, Pair]} */
export function findExtent(state) {
  const [rows, columns] = makeAxes(state).map((axis, index) => {
    if (axis.isTransposed) return /** @type {Pair} */ ([0, axis.size - 1]);
    const last = (outputSize(state)[index] - 1) * axis.stride + effectiveKernel(axis) - 1 - axis.before;
    return /** @type {Pair} */ ([-axis.before, Math.max(axis.size + axis.after - 1, last)]);
  });
  return [rows, columns];
}

/** The rows and columns of the output that are drawn, with those that padding crops. @param {State} state @returns {[Pair, Pair]} */
export function findOutputExtent(state) {
  const [rows, columns] = makeAxes(state).map((axis) => {
    const last = axisOutput(axis) - 1;
    if (!axis.isTransposed) return /** @type {Pair} */ ([0, last]);
    const lastSum = (axis.size - 1) * axis.stride + effectiveKernel(axis) - 1 - axis.before;
    return /** @type {Pair} */ ([-axis.before, Math.max(last, lastSum)]);
  });
  return [rows, columns];
}

/** Whether there is an output. @param {State} state @param {number} row @param {number} column */
export function hasOutput(state, row, column) {
  const [height, width] = outputSize(state);
  return row >= 0 && row < height && column >= 0 && column < width;
}

/** @param {Scene} scene @param {number} channel @param {number} row @param {number} column @returns {Cell} */
export function makeInputCell(scene, channel, row, column) {
  const { state, focus } = scene;
  const tap = focus.kind === "output" ? scene.tapsByInput.get(`${channel},${row},${column}`) : undefined;
  const value = readInput(state, channel, row, column);
  const kind = findKind(state, row, column);
  const marks = [];
  if (tap) marks.push("window");
  if (tap && state.op === "maxpool" && tap.isCounted && tap.value === scene.step.value) marks.push("best");
  if (focus.kind === "input" && focus.channel === channel && focus.row === row && focus.column === column) marks.push("pointed");
  if (focus.kind === "weight" && focus.channel === channel && scene.met.has(`${row},${column}`)) marks.push("met");
  if (isDropped(scene, row, column)) marks.push("dropped");
  const text = value === null ? "" : formatCell(value);
  const note = tap && !isPool(state.op) ? writeWeight(state, tap) : tap && !tap.isCounted ? "left out" : "";
  return {
    text, note, kind, marks,
    ...(scene.isPicture && value !== null ? paintCell(value, { kind: "gray", low: 0, high: 255, name: "" }, scene) : {}),
    label: describeCell(kind === "input" ? "input" : kind, row, column, value)
      + (tap && note ? `, ${note.replace("\u00d7", "times ")}` : "")
      + (marks.includes("dropped") ? ", not used" : ""),
  };
}

/** @param {State} state @param {Tap} tap */
function writeWeight(state, tap) {
  if (state.input === null) return nameWeight(tap.kernelRow, tap.kernelColumn);
  return `\u00d7${formatCell(tap.weight)}`;
}

/** A weight without a number: w with two indices below. @param {number} row @param {number} column */
function nameWeight(row, column) {
  /** @param {number} index */
  const lower = (index) => String(index).replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)));
  return `w${lower(row)}${row > 9 || column > 9 ? "," : ""}${lower(column)}`;
}

/** The number in a cell of the padded input; null without numbers. @param {State} state @param {number} channel @param {number} row @param {number} column */
function readInput(state, channel, row, column) {
  if (state.input === null) return null;
  const mode = state.op === "conv" ? state.mode : "zero";
  const [height, width] = state.size;
  const [sourceRow, sourceColumn] = [sourceIndex(row, height, mode), sourceIndex(column, width, mode)];
  if (sourceRow >= 0 && sourceColumn >= 0) return state.input[channel][sourceRow][sourceColumn];
  if (isPool(state.op)) return state.op === "avgpool" && state.countPadding && findKind(state, row, column) === "padding" ? 0 : null;
  return paddingValue(mode) ?? 0;
}

/** @param {State} state @param {number} row @param {number} column */
function findKind(state, row, column) {
  const [height, width] = state.size;
  if (row >= 0 && row < height && column >= 0 && column < width) return "input";
  const isBeyond = row >= height + state.padding[0][1] || column >= width + state.padding[1][1];
  return isBeyond ? "beyond" : "padding";
}

/** Whether no window covers a cell. @param {Scene} scene @param {number} row @param {number} column */
function isDropped({ state, dropped }, row, column) {
  if (state.op === "tconv") return false;
  const [height, width] = state.size;
  const lastRow = height + state.padding[0][1] - dropped[0];
  const lastColumn = width + state.padding[1][1] - dropped[1];
  return (dropped[0] > 0 && row >= lastRow) || (dropped[1] > 0 && column >= lastColumn);
}

/** @param {string} name @param {number} row @param {number} column @param {number | null} value */
function describeCell(name, row, column, value) {
  const start = `${name} row ${row}, column ${column}`;
  return value === null ? start : `${start}: ${formatNumber(value)}`;
}

/** @param {number} value @param {Scale} scale @param {Scene} scene */
function paintCell(value, scale, scene) {
  const color = paint(value, scale, scene.palette);
  return { fill: writeColor(color), ink: inkFor(color) };
}

/** The place of a weight as it is applied, or from that as typed. @param {State} state @param {number} row @param {number} column @returns {[number, number]} */
export function turnPlace(state, row, column) {
  if (!state.flip || isPool(state.op)) return [row, column];
  return [state.kernel[0] - 1 - row, state.kernel[1] - 1 - column];
}

/** @param {Scene} scene @param {number} lane Index of the plane. @param {number} row As applied. @param {number} column @returns {Cell} */
export function makeKernelCell(scene, lane, row, column) {
  const { state, focus } = scene;
  const { channel, plane } = scene.planes[lane];
  const [typedRow, typedColumn] = turnPlace(state, row, column);
  const weight = plane[typedRow]?.[typedColumn] ?? 1;
  const marks = [];
  if (focus.kind === "weight" && focus.channel === channel && focus.row === typedRow && focus.column === typedColumn) marks.push("pointed");
  if (focus.kind === "output" && state.op === "tconv" && !scene.tapsByWeight.has(`${channel},${typedRow},${typedColumn}`)) marks.push("unused");
  if (state.input === null) {
    return { text: nameWeight(typedRow, typedColumn), kind: "kernel blank", marks, label: `weight row ${row}, column ${column}` };
  }
  const isUnused = marks.includes("unused");
  return {
    text: formatCell(weight), kind: "kernel", marks,
    ...(isUnused ? {} : paintCell(weight, makeDiverging(scene.largestWeight), scene)),
    label: describeCell("weight", row, column, weight),
  };
}

/** @param {Scene} scene @param {number} lane @param {number} row @param {number} column @returns {Cell} */
export function makeProductCell(scene, lane, row, column) {
  const { state } = scene;
  const { channel } = scene.planes[lane];
  const [typedRow, typedColumn] = turnPlace(state, row, column);
  const entry = scene.tapsByWeight.get(`${channel},${typedRow},${typedColumn}`);
  if (entry === undefined || state.input === null) {
    return { text: "", kind: "product blank", label: `no product at row ${row}, column ${column}` };
  }
  const { tap, sum } = entry;
  if (isPool(state.op)) {
    const isBest = state.op === "maxpool" && tap.isCounted && tap.value === scene.step.sums[lane];
    const text = tap.isCounted ? formatCell(tap.value) : "";
    return {
      text, note: tap.isCounted ? "" : "left out", kind: tap.isCounted ? "product" : "product blank",
      marks: isBest ? ["best"] : [],
      label: describeCell("value", row, column, tap.isCounted ? tap.value : null),
    };
  }
  return {
    text: formatCell(tap.product), note: `\u03a3 ${formatCell(sum)}`, kind: "product",
    ...paintCell(tap.product, makeDiverging(scene.largestProduct), scene),
    label: `${describeCell("product", row, column, tap.product)}, sum so far ${formatNumber(sum)}`,
  };
}

/** @param {Scene} scene @param {number} row @param {number} column @returns {Cell} */
export function makeOutputCell(scene, row, column) {
  const { state, outputs, at, focus } = scene;
  if (!hasOutput(state, row, column)) {
    return { text: "", kind: "padding", marks: ["dropped"], label: describeCell("cropped", row, column, null) };
  }
  const marks = [];
  if (focus.kind === "output" && at.row === row && at.column === column) marks.push("current");
  const weight = scene.fed.get(`${row},${column}`);
  if (weight !== undefined) marks.push("fed");
  const note = weight === undefined || weight === null || isPool(state.op) || state.input === null ? "" : `\u00d7${formatCell(weight)}`;
  const index = row * outputSize(state)[1] + column;
  if (outputs === null || index > scene.filled) {
    return { text: "", kind: outputs === null ? "output" : "output blank", marks, label: describeCell("output", row, column, null) };
  }
  const value = outputs[at.channel][row][column];
  const level = state.range === "none" ? value : scaleLevel(scene, value);
  return {
    text: formatCell(value), note, kind: "output", marks,
    ...paintCell(level, scene.outputScale, scene),
    label: describeCell("output", row, column, value) + (note ? `, ${note.replace("\u00d7", "times ")}` : ""),
  };
}

/** The level, 0 to 255, that a value would be written as. @param {Scene} scene @param {number} value */
function scaleLevel({ state, outputs }, value) {
  if (state.range !== "rescale") return toLevels([[[value]]], state.range)[0][0][0];
  const { low, high } = readBounds(/** @type {Maps} */ (outputs));
  return high > low ? ((value - low) / (high - low)) * 255 : 128;
}

/** @type {WeakMap<Maps, {low: number, high: number}>} */
const boundsByMaps = new WeakMap();

/** @param {Maps} maps */
export function readBounds(maps) {
  let bounds = boundsByMaps.get(maps);
  if (bounds === undefined) {
    bounds = findFiniteBounds(maps);
    boundsByMaps.set(maps, bounds);
  }
  return bounds;
}
