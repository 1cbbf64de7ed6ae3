// The layers after this one, and what one output of the last sees of each map before it.

import { listLayers, outputSize, traceBack } from "./arithmetic.js";
import { make, makeSvg, setAttribute, setText } from "./dom.js";
import { formatNumber, formatSize } from "./text.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Field} Field */
/** @typedef {import("./types.d.ts").Position} Position */

const BOX = 120; // the side of a map's drawing

/** Make the drawing of a stack, which is hidden where there is no other layer. */
export function makeStack() {
  const slider = make("input", { type: "range", min: "0", step: "1", id: "stack-position" });
  const label = make("label", { htmlFor: "stack-position" });
  const maps = make("ol", { className: "stack-maps" });
  const element = make(
    "section", { className: "stack" }, make("h2", {}, "Receptive field, walked back"),
    make("div", { className: "stack-position" }, label, slider), maps,
  );
  /** @type {State | null} */
  let shown = null;
  let key = "";
  slider.addEventListener("input", () => {
    if (shown !== null) draw(shown);
  });

  /** @param {State} state */
  function update(state) {
    shown = state;
    element.hidden = state.layers.length === 0;
    if (element.hidden) return;
    const last = listLayers(state).at(-1)?.size ?? [1, 1];
    slider.max = String(last[0] * last[1] - 1);
    const size = outputSize(state);
    // The output of the stack that lies where the page's own output does.
    const row = Math.floor((state.at.row * last[0]) / size[0]);
    const column = Math.floor((state.at.column * last[1]) / size[1]);
    const nextKey = [state.at.row, state.at.column, ...state.layers, ...last].join();
    if (nextKey !== key) slider.value = String(row * last[1] + column);
    key = nextKey;
    draw(state);
  }

  /** @param {State} state */
  function draw(state) {
    const last = listLayers(state).at(-1)?.size ?? [1, 1];
    const index = Number(slider.value);
    const at = { row: Math.floor(index / last[1]), column: index % last[1] };
    const place = `row ${at.row}, column ${at.column}`;
    setText(label, `Output of the stack: ${place}`);
    setAttribute(slider, "aria-valuetext", place);
    const fields = traceBack(state, at).reverse();
    maps.replaceChildren(...fields.map(makeMap));
  }

  return { element, update };
}

/** @param {Field} field @param {number} index */
function makeMap({ name, size, rows, columns }, index) {
  const scale = BOX / Math.max(...size);
  const [height, width] = size.map((side) => Math.max(side * scale, 4));
  const isEmpty = rows[0] > rows[1] || columns[0] > columns[1];
  const box = { x: columns[0] * scale, y: rows[0] * scale, width: (columns[1] - columns[0] + 1) * scale, height: (rows[1] - rows[0] + 1) * scale };
  const parts = [makeSvg("rect", { class: "stack-map", x: 0, y: 0, width, height })];
  if (!isEmpty) {
    const clip = clipBox(box, width, height);
    parts.push(makeSvg("rect", { class: "stack-field", ...clip }));
  }
  const svg = makeSvg("svg", { viewBox: `-2 -2 ${BOX + 4} ${BOX + 4}`, "aria-hidden": "true" }, ...parts);
  const seen = isEmpty ? "padding alone" : `${formatSpan("row", rows)}, ${formatSpan("column", columns)}`;
  const extent = isEmpty ? "" : `${formatSize([rows[1] - rows[0] + 1, columns[1] - columns[0] + 1])} of `;
  return make(
    "li", {}, svg, make("p", { className: "stack-name" }, index === 0 ? "input" : name),
    make("p", {}, `${extent}${formatSize(size)}`), make("p", { className: "stack-seen" }, seen),
  );
}

/** Keep a box inside a map, and large enough to see. @param {{x: number, y: number, width: number, height: number}} box @param {number} width @param {number} height */
function clipBox(box, width, height) {
  const left = Math.min(Math.max(box.x, 0), width);
  const top = Math.min(Math.max(box.y, 0), height);
  return {
    x: left, y: top,
    width: Math.max(Math.min(box.x + box.width, width) - left, 2),
    height: Math.max(Math.min(box.y + box.height, height) - top, 2),
  };
}

/** @param {string} name @param {readonly number[]} span */
function formatSpan(name, [low, high]) {
  return low === high ? `${name} ${formatNumber(low)}` : `${name}s ${formatNumber(low)} to ${formatNumber(high)}`;
}
