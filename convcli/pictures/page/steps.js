// The sum of one output, written out; and the sentence that says it.

import { isPool } from "./arithmetic.js";
import { make, setText } from "./dom.js";
import { bracket, describeInput, describeStep, describeWeight, formatNumber, writeResult, writeTerms } from "./text.js";
import { turnPlace } from "./views.js";

/** @typedef {import("./types.d.ts").Tap} Tap */
/** @typedef {import("./views.js").Scene} Scene */

const MAX_TERMS = 75; // that are written out
const LINE_PIXELS = 24; // of a line of terms
const MAX_SUMS = 16; // sums of channels that are written out

/** Make the box of the sum. */
export function makeSteps() {
  const sentence = make("p", { className: "sentence", id: "step-sentence" });
  const terms = make("div", { className: "terms" });
  const result = make("p", { className: "result-line number" });
  const element = make("section", { className: "steps", "aria-label": "The sum" }, sentence, terms, result);
  let shape = "";

  /** @param {Scene} scene */
  function update(scene) {
    const { state, planes } = scene;
    setText(sentence, describeFocus(scene));
    terms.hidden = state.input === null;
    result.hidden = state.input === null;
    if (state.input === null) return;
    const lines = makeLines(scene);
    terms.replaceChildren(...lines);
    const settings = [state.op, state.kernel, planes.length].join();
    if (settings !== shape) terms.style.minHeight = "";
    shape = settings;
    // The longest sum keeps its room, before it is reached, too: nothing below moves while stepping.
    const most = state.kernel[0] * state.kernel[1] * planes.length > MAX_TERMS ? 1
      : (state.kernel[0] + (planes.length > 1 ? 1 : 0)) * planes.length;
    const room = Math.max(terms.offsetHeight, Number.parseFloat(terms.style.minHeight) || 0, most * LINE_PIXELS);
    terms.style.minHeight = `${room}px`;
    const name = `Y[${scene.at.row}, ${scene.at.column}]`;
    setText(result, `${name} = ${state.op === "maxpool" ? "" : foldSums(scene)}${writeResult(state, foldStep(scene))}`);
  }

  return { element, update };
}

/** Sums of many channels are added up in front. @param {Scene} scene */
function foldSums({ step }) {
  return step.sums.length > MAX_SUMS ? `the sums of ${step.sums.length} channels = ` : "";
}

/** @param {Scene} scene */
function foldStep({ step }) {
  return step.sums.length > MAX_SUMS ? { ...step, sums: [step.sum] } : step;
}

/** The sentence of what is pointed at. @param {Scene} scene */
export function describeFocus(scene) {
  const { state, focus, at, step } = scene;
  const place = { row: focus.row, column: focus.column };
  if (focus.kind === "output") return describeStep(state, at, step);
  if (focus.kind === "input") {
    const value = readInside(state.input?.[focus.channel], focus.row, focus.column);
    const outputs = [...scene.fed.keys()].map(readPlace);
    return describeInput(place, value, outputs);
  }
  const [row, column] = turnPlace(state, focus.row, focus.column);
  const plane = scene.planes.find(({ channel }) => channel === focus.channel)?.plane;
  const value = state.input === null ? null : plane?.[focus.row]?.[focus.column] ?? null;
  return describeWeight({ row, column }, value, [...scene.met].map(readPlace));
}

/** @param {number[][] | undefined} map @param {number} row @param {number} column */
function readInside(map, row, column) {
  return map?.[row]?.[column] ?? null;
}

/** @param {string} key */
function readPlace(key) {
  const [row, column] = key.split(",").map(Number);
  return { row, column };
}

/** A line for each row of the window, by channel. @param {Scene} scene */
function makeLines(scene) {
  const { state, step, planes } = scene;
  const counted = step.taps.filter((tap) => tap.isCounted || !isPool(state.op));
  if (counted.length > MAX_TERMS) {
    return [make("p", {}, `${counted.length} ${isPool(state.op) ? "values" : "products"}, in the grid above`)];
  }
  const isMaximum = state.op === "maxpool";
  return planes.flatMap(({ channel }, index) => {
    const taps = counted.filter((tap) => tap.channel === channel);
    const rows = groupRows(taps).map((row) => writeTerms(state, row));
    const lines = rows.map((terms, place) => {
      const isLast = place === rows.length - 1;
      const spans = terms.map((term, number) => {
        const isFirst = place === 0 && number === 0;
        const text = isMaximum
          ? `${term}${isLast && number === terms.length - 1 ? "" : ", "}`
          : `${isFirst ? "" : number === 0 ? "+ " : " + "}${term}`;
        return make("span", { className: "term" }, text);
      });
      return make("p", { className: "number" }, ...spans);
    });
    if (planes.length === 1) return lines;
    const sum = `= ${formatNumber(step.sums[index])}`;
    const head = make("p", { className: "channel-name" }, `Channel ${channel} ${bracket(sum)}`);
    return [head, ...lines];
  });
}

/** @param {Tap[]} taps @returns {Tap[][]} */
function groupRows(taps) {
  /** @type {Map<number, Tap[]>} */
  const rows = new Map();
  for (const tap of taps) rows.set(tap.row, [...(rows.get(tap.row) ?? []), tap]);
  return [...rows.values()];
}
