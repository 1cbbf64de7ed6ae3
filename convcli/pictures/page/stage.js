// The grids side by side: input, kernel and products of each channel, and the output.

import { inputChannels, isPool, outputChannels, outputSize } from "./arithmetic.js";
import { make, setText } from "./dom.js";
import { makeGrid } from "./grids.js";
import { makeLegend } from "./legend.js";
import { COLOR_NAMES, formatNumber, formatSize } from "./text.js";
import { findExtent, findOutputExtent, makeInputCell, makeKernelCell, makeOutputCell, makeProductCell, turnPlace } from "./views.js";

/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").Maps} Maps */
/** @typedef {import("./views.js").Scene} Scene */
/** @typedef {import("./views.js").Focus} Focus */
/** @typedef {import("./grids.js").Grid} Grid */

/**
 * What the grids tell. Weights are named by their place as typed.
 * @typedef {object} StageEvents
 * @property {(focus: Focus, cause: "hover" | "key" | "tap") => void} onFocus
 * @property {() => void} onLeave
 * @property {(channel: number, row: number, column: number) => string} readInput
 * @property {(channel: number, row: number, column: number, text: string) => string} editInput
 * @property {(lane: number, row: number, column: number) => string} readWeight
 * @property {(lane: number, row: number, column: number, text: string) => string} editWeight
 */

const MAX_LANES = 4; // channels shown at once
const MIN_CELL = 27; // pixels: a touch target
const GOOD_CELL = 34; // pixels, for two lines in a cell
const MAX_CELL = 56;
const MAX_KERNEL_VIEW = 25; // rows or columns of a kernel that are shown at once
const MAX_SCROLL = 4; // rows or columns; what is further is a jump
const MIN_VIEW = 7; // rows or columns of a large grid
const SIGNS = [26, 44]; // pixels between two grids, on a small and on a large screen
const SMALL_WIDTH = 640;

/**
 * The grids of one input channel.
 * @typedef {object} Lane
 * @property {HTMLElement} element
 * @property {Grid} input
 * @property {Grid} kernel
 * @property {Grid} products
 * @property {HTMLElement} equals
 * @property {HTMLElement} times
 * @property {HTMLElement} sum
 */

/**
 * @param {StageEvents} events
 */
export function makeStage(events) {
  /** @type {Scene | null} */
  let scene = null;
  let firstLane = 0;
  /** @type {Record<string, Pair>} The rows and columns that are shown of each large grid. */
  let views = {};
  /** @type {Record<string, [number, number]>} */
  let cursors = {};
  const lanes = Array.from({ length: MAX_LANES }, (_, index) => makeLane(index));
  const output = makeGrid("output", {
    onPoint: (row, column, cause) => events.onFocus({ kind: "output", channel: 0, row, column }, cause),
    onLeave: events.onLeave, startEdit: null, onEdit: () => "",
  });
  const weightLegend = makeLegend("Weights");
  const outputLegend = makeLegend("Output");
  const pager = makePager();
  const laneBox = make("div", { className: "lanes" }, pager.element, ...lanes.map((lane) => lane.element));
  const arrow = make("span", { className: "sign", "aria-hidden": "true" }, "=");
  const outputBox = make("div", { className: "result" }, arrow, output.element);
  const element = make("section", { className: "stage", "aria-label": "Convolution" }, laneBox, outputBox, make("div", { className: "legends" }, weightLegend.element, outputLegend.element));

  /** @param {number} index @returns {Lane} */
  function makeLane(index) {
    const channelOf = () => scene?.planes[firstLane + index]?.channel ?? 0;
    const input = makeGrid("input", {
      onPoint: (row, column, cause) => events.onFocus({ kind: "input", channel: channelOf(), row, column }, cause),
      onLeave: events.onLeave,
      startEdit: (row, column) => events.readInput(channelOf(), row, column),
      onEdit: (row, column, text) => events.editInput(channelOf(), row, column, text),
    });
    const kernel = makeGrid("kernel", {
      onPoint: (row, column, cause) => {
        cursors.kernel = [row, column];
        const [typedRow, typedColumn] = scene ? turnPlace(scene.state, row, column) : [row, column];
        events.onFocus({ kind: "weight", channel: channelOf(), row: typedRow, column: typedColumn }, cause);
      },
      onLeave: events.onLeave,
      startEdit: (row, column) => events.readWeight(firstLane + index, row, column),
      onEdit: (row, column, text) => events.editWeight(firstLane + index, row, column, text),
    });
    const products = makeGrid("products", {
      onPoint: (row, column, cause) => {
        cursors.products = [row, column];
        if (cause !== "hover" && scene) update(scene);
      },
      onLeave: () => {}, startEdit: null, onEdit: () => "",
    });
    const times = make("span", { className: "sign", "aria-hidden": "true" }, "\u2217");
    const equals = make("span", { className: "sign", "aria-hidden": "true" }, "\u2192");
    const sum = make("p", { className: "lane-sum" });
    const pair = make("div", { className: "pair" }, times, kernel.element, equals, make("div", {}, products.element, sum));
    const lane = make("div", { className: "lane" }, input.element, pair);
    return { element: lane, input, kernel, products, equals, times, sum };
  }

  function makePager() {
    const label = make("span", { className: "pager-label" });
    const buttons = [-1, 1].map((step) => {
      const name = step < 0 ? "Channels before" : "Channels after";
      const button = make("button", { type: "button", className: "quiet", "aria-label": name }, step < 0 ? "\u2190" : "\u2192");
      button.addEventListener("click", () => {
        firstLane += step * MAX_LANES;
        if (scene) update(scene);
      });
      return button;
    });
    const box = make("div", { className: "pager" }, buttons[0], label, buttons[1]);
    /** @param {number} count */
    const show = (count) => {
      firstLane = Math.min(Math.max(firstLane, 0), Math.floor((count - 1) / MAX_LANES) * MAX_LANES);
      box.hidden = count <= MAX_LANES;
      const last = Math.min(firstLane + MAX_LANES, count) - 1;
      setText(label, `Channels ${firstLane} to ${last} of ${count}`);
      buttons[0].disabled = firstLane === 0;
      buttons[1].disabled = last === count - 1;
    };
    return { element: box, show };
  }

  /** @param {Scene} next */
  function update(next) {
    scene = next;
    const { state, planes } = next;
    pager.show(planes.length);
    const shape = chooseViews(next);
    element.style.setProperty("--cell", `${shape.cell}px`);
    element.classList.toggle("is-row", shape.isRow);
    element.classList.toggle("is-aligned", shape.isAligned);
    for (const [index, lane] of lanes.entries()) {
      const plane = planes[firstLane + index];
      lane.element.hidden = plane === undefined;
      if (plane !== undefined) updateLane(next, lane, firstLane + index);
    }
    const size = outputSize(state);
    output.update({
      caption: "Y", detail: `output ${formatSize(size)}${nameMap(next)}`,
      rows: views.outputRows, columns: views.outputColumns,
      rowBounds: [0, size[0] - 1], columnBounds: [0, size[1] - 1],
      cursor: [next.at.row, next.at.column], hasHeads: true,
      getCell: (row, column) => makeOutputCell(next, row, column),
    });
    weightLegend.update(state.input === null || isPool(state.op) ? null : { kind: "diverging", low: -next.largestWeight, high: next.largestWeight, name: "zero-centered" }, next.palette);
    outputLegend.update(next.outputs === null ? null : next.outputScale, next.palette);
  }

  /** @param {Scene} next @param {Lane} lane @param {number} index */
  function updateLane(next, lane, index) {
    const { state, planes, step, focus } = next;
    const { channel } = planes[index];
    const [rowBounds, columnBounds] = findInside(state);
    const cursor = focus.kind === "input" ? [focus.row, focus.column] : cursors.input ?? [0, 0];
    cursors.input = limitCursor(/** @type {[number, number]} */ (cursor), views.inputRows, views.inputColumns, rowBounds, columnBounds);
    lane.input.update({
      caption: "X", detail: `${nameChannel(next, channel)}${formatSize(state.size)}${describePadding(next)}`,
      rows: views.inputRows, columns: views.inputColumns, rowBounds, columnBounds,
      cursor: cursors.input, hasHeads: true,
      getCell: (row, column) => makeInputCell(next, channel, row, column),
    });
    const pool = isPool(state.op);
    setText(lane.times, state.op === "tconv" ? "\u2217\u1d40" : "\u2217");
    lane.kernel.element.hidden = pool;
    lane.times.hidden = pool;
    lane.products.element.hidden = state.input === null;
    lane.equals.hidden = state.input === null;
    lane.sum.hidden = state.input === null;
    /** @type {Pair} */
    const rows = [0, state.kernel[0] - 1];
    /** @type {Pair} */
    const columns = [0, state.kernel[1] - 1];
    const common = { rows: views.kernelRows, columns: views.kernelColumns, rowBounds: rows, columnBounds: columns, hasHeads: false };
    /** @param {string} name */
    const cursorOf = (name) => limitCursor(cursors[name] ?? [0, 0], views.kernelRows, views.kernelColumns, rows, columns);
    lane.kernel.update({
      ...common, caption: "K", cursor: cursorOf("kernel"),
      detail: `${state.flip ? "turned 180\u00b0, " : "kernel "}${formatSize(state.kernel)}`,
      getCell: (row, column) => makeKernelCell(next, index, row, column),
    });
    lane.products.update({
      ...common, caption: pool ? "Window" : "X \u00b7 K", cursor: cursorOf("products"),
      detail: pool ? state.op === "maxpool" ? "the largest" : "averaged" : "products, sums \u03a3",
      getCell: (row, column) => makeProductCell(next, index, row, column),
    });
    const name = pool ? (state.op === "maxpool" ? "largest" : "sum") : "sum";
    setText(lane.sum, `${name} = ${formatNumber(step.sums[index] ?? 0)}`);
  }

  /** Choose which cells are shown, and how large. @param {Scene} next */
  function chooseViews(next) {
    const { state, focus, step, at } = next;
    const width = Math.max(element.clientWidth, 280);
    const sign = SIGNS[width < SMALL_WIDTH ? 0 : 1];
    element.style.setProperty("--sign", `${sign}px`);
    const [inputRows, inputColumns] = findExtent(state);
    const [outputRows, outputColumns] = findOutputExtent(state);
    const most = Math.min(Math.floor(width / MIN_CELL) - 1, 22);
    const extent = Math.max(...step.taps.map((tap) => tap.row - step.taps[0].row + 1), 1);
    const kernels = length(chooseView([0, state.kernel[1] - 1], null, undefined, MAX_KERNEL_VIEW)) * (isPool(state.op) ? 1 : 2);
    const inRow = Math.floor(((width - 3 * sign - 12) / GOOD_CELL - 1 - kernels) / 2);
    const isEnough = inRow >= Math.max(MIN_VIEW, extent);
    const some = Math.min(isEnough ? inRow : Math.floor(width / GOOD_CELL) - 1, 13);
    const isLarge = [inputRows, inputColumns, outputRows, outputColumns].some(([low, high]) => high - low + 1 > most);
    const limit = isLarge ? some : most;
    const window = { rows: span(step.taps.map((tap) => tap.row)), columns: span(step.taps.map((tap) => tap.column)) };
    const isInput = focus.kind === "input";
    /** @type {Pair | null} */
    const row = isInput ? [focus.row, focus.row] : window.rows;
    /** @type {Pair | null} */
    const column = isInput ? [focus.column, focus.column] : window.columns;
    const fedRows = span([...next.fed.keys()].map((key) => Number(key.split(",")[0])));
    const fedColumns = span([...next.fed.keys()].map((key) => Number(key.split(",")[1])));
    const kernelCursor = cursors.kernel ?? [0, 0];
    views = {
      inputRows: chooseView(inputRows, focus.kind === "weight" ? null : row, views.inputRows, limit),
      inputColumns: chooseView(inputColumns, focus.kind === "weight" ? null : column, views.inputColumns, limit),
      outputRows: chooseView(outputRows, isInput ? fedRows : [at.row, at.row], views.outputRows, limit),
      outputColumns: chooseView(outputColumns, isInput ? fedColumns : [at.column, at.column], views.outputColumns, limit),
      kernelRows: chooseView([0, state.kernel[0] - 1], [kernelCursor[0], kernelCursor[0]], views.kernelRows, MAX_KERNEL_VIEW),
      kernelColumns: chooseView([0, state.kernel[1] - 1], [kernelCursor[1], kernelCursor[1]], views.kernelColumns, MAX_KERNEL_VIEW),
    };
    return chooseCell(next, width, sign);
  }

  /** @param {Scene} next @param {number} width @param {number} sign */
  function chooseCell({ state }, width, sign) {
    const input = length(views.inputColumns) + 0.5;
    const result = length(views.outputColumns) + 0.5;
    const kernel = length(views.kernelColumns);
    const kernels = isPool(state.op) || state.input === null ? kernel : 2 * kernel;
    const row = (width - 3 * sign - 12) / (input + kernels + result);
    if (row >= GOOD_CELL) return { cell: Math.min(row, MAX_CELL), isRow: true, isAligned: true };
    const lane = (width - 2 * sign - 4) / (input + kernels);
    if (lane >= GOOD_CELL && lane * result <= width - sign) return { cell: Math.min(lane, MAX_CELL), isRow: false, isAligned: true };
    const column = Math.min((width - 2) / Math.max(input, result), (width - 2 * sign - 4) / kernels);
    return { cell: Math.min(Math.max(column, MIN_CELL), MAX_CELL), isRow: false, isAligned: false };
  }

  return { element, update, listGrids: () => ({ lanes: lanes.filter((lane) => !lane.element.hidden), output }) };
}

/** @param {Pair} pair */
function length([low, high]) {
  return high - low + 1;
}

/** @param {number[]} values @returns {Pair | null} */
function span(values) {
  if (values.length === 0) return null;
  return [Math.min(...values), Math.max(...values)];
}

/**
 * Choose which rows of a grid are shown: all, or so many that what is wanted is among them. They
 * move no further than they must; a jump ends in the middle.
 * @param {Pair} bounds
 * @param {Pair | null} wanted
 * @param {Pair | undefined} previous
 * @param {number} limit
 * @returns {Pair}
 */
function chooseView(bounds, wanted, previous, limit) {
  const count = length(bounds);
  if (count <= limit) return bounds;
  const size = Math.min(Math.max(limit, wanted === null ? 0 : Math.min(length(wanted), MAX_KERNEL_VIEW)), count);
  let start = previous === undefined ? bounds[0] : previous[0];
  if (wanted !== null) {
    const [before, after] = [start - wanted[0], wanted[1] - (start + size - 1)];
    const isFar = Math.max(before, after) > MAX_SCROLL;
    if (isFar) start = Math.floor((wanted[0] + wanted[1] + 1 - size) / 2);
    else if (after > 0) start = wanted[1] - size + 1;
    else if (before > 0) start = wanted[0];
  }
  start = Math.min(Math.max(start, bounds[0]), bounds[1] - size + 1);
  return [start, start + size - 1];
}

/**
 * @param {[number, number]} cursor
 * @param {Pair} rows
 * @param {Pair} columns
 * @param {Pair} rowBounds
 * @param {Pair} columnBounds
 * @returns {[number, number]}
 */
function limitCursor([row, column], rows, columns, rowBounds, columnBounds) {
  /** @param {number} value @param {Pair} view @param {Pair} bounds */
  const limit = (value, view, bounds) =>
    Math.min(Math.max(value, view[0], bounds[0]), view[1], bounds[1]);
  return [limit(row, rows, rowBounds), limit(column, columns, columnBounds)];
}

/** The rows and columns of the input itself. @param {Scene["state"]} state @returns {[Pair, Pair]} */
function findInside({ size }) {
  return [[0, size[0] - 1], [0, size[1] - 1]];
}

/** @param {Scene} scene @param {number} channel */
function nameChannel({ state, isPicture }, channel) {
  if (inputChannels(state) === 1) return "input ";
  const name = isPicture && state.input?.length === 3 ? COLOR_NAMES[channel] : `channel ${channel}`;
  return `${name} `;
}

/** @param {Scene} scene */
function nameMap({ state, at, isPicture }) {
  if (outputChannels(state) === 1) return "";
  if (isPicture && outputChannels(state) === 3) return `, ${COLOR_NAMES[at.channel]}`;
  return `, map ${at.channel} of ${outputChannels(state)}`;
}

/** @param {Scene} scene */
function describePadding({ state }) {
  const sides = state.padding.flat();
  if (state.op === "tconv" || sides.every((side) => side === 0)) return "";
  const amount = new Set(sides).size === 1 ? String(sides[0]) : sides.join(",");
  return `, padding ${amount}`;
}
