// Grids of cells as SVG: drawn, pointed at, walked through with the arrow keys, and edited.

import { make, makeSvg, setAttribute, setText } from "./dom.js";

export const CELL = 40; // the side of a cell, in units of the drawing
const HEAD = 18; // of the row and column numbers
const GAP = 1.5; // around a cell
const FOCUS_INSET = 3; // from the side of a cell to the mark of the keyboard's focus
const MAX_TEXT = 15; // the largest text of a cell
const MIN_TEXT = 7; // a smaller one is left out: the color and the sentence tell the value
const MAX_NOTE = 11;
const TEXT_WIDTH = 0.64; // of a digit, in font sizes

/** @typedef {import("./types.d.ts").Pair} Pair */

/**
 * What a cell shows.
 * @typedef {object} Cell
 * @property {string} text
 * @property {string} [note] In small below the text.
 * @property {string} [kind] Its class: input, padding, gap, kernel, product, output, blank.
 * @property {string[]} [marks] More classes: window, current, pointed, fed, met, dropped, unused, best.
 * @property {string} [fill] A color of its own.
 * @property {string} [ink] The text's color on that fill.
 * @property {string} label What a screen reader says of it.
 */

/**
 * What a grid shows: the cells of some rows and columns, ends included.
 * @typedef {object} View
 * @property {string} caption
 * @property {string} [detail]
 * @property {Pair} rows
 * @property {Pair} columns
 * @property {Pair} rowBounds Where the cursor may go.
 * @property {Pair} columnBounds
 * @property {[number, number]} cursor
 * @property {boolean} hasHeads Whether rows and columns are numbered.
 * @property {boolean} [isMore] Whether the grid has more cells than are shown.
 * @property {(row: number, column: number) => Cell} getCell
 */

/**
 * What a grid tells. A cell is pointed at by a mouse, a finger or the cursor.
 * @typedef {object} Events
 * @property {(row: number, column: number, cause: "hover" | "key" | "tap") => void} onPoint
 * @property {() => void} onLeave
 * @property {((row: number, column: number) => string) | null} startEdit The text to edit; null for a grid that cannot be edited.
 * @property {(row: number, column: number, text: string) => string} onEdit Returns a sentence for a wrong value.
 */

/**
 * @typedef {object} Grid
 * @property {HTMLElement} element
 * @property {SVGSVGElement} svg
 * @property {(view: View) => void} update
 * @property {() => Pair} measure The drawing's (height, width) in its units.
 */

/**
 * @typedef {object} CellNodes
 * @property {SVGGElement} group
 * @property {SVGRectElement} rect
 * @property {SVGTextElement} text
 * @property {SVGTextElement} note
 */

/**
 * Make a grid, which shows nothing before its first update.
 * @param {string} name A class of its element.
 * @param {Events} events
 * @returns {Grid}
 */
export function makeGrid(name, events) {
  const caption = make("span", { className: "caption-name" });
  const detail = make("span", { className: "caption-detail" });
  const svg = makeSvg("svg", { role: "grid", class: "grid" });
  const message = make("p", { className: "problem", hidden: true, role: "alert" });
  const frame = make("div", { className: "grid-frame" }, svg);
  const element = make(
    "figure",
    { className: `panel panel-${name}` },
    make("figcaption", {}, caption, " ", detail),
    frame,
    message,
  );
  /** @type {{view: View | null, key: string, cells: Map<string, CellNodes>, size: Pair}} */
  const drawn = { view: null, key: "", cells: new Map(), size: [0, 0] };

  /** @param {View} view */
  function update(view) {
    const hadFocus = svg.contains(document.activeElement);
    setText(caption, view.caption);
    setText(detail, view.detail ?? "");
    setAttribute(svg, "aria-label", `${view.caption} ${view.detail ?? ""}`.trim());
    setAttribute(svg, "aria-readonly", events.startEdit === null ? "true" : "false");
    const key = [...view.rows, ...view.columns, view.hasHeads].join();
    if (key !== drawn.key) rebuild(view);
    drawn.key = key;
    drawn.view = view;
    const cells = readCells(view);
    const size = chooseTextSize(cells);
    for (const [place, cell] of cells) {
      const nodes = drawn.cells.get(place);
      if (nodes) drawCell(nodes, cell, size);
    }
    const cursor = view.cursor.join();
    for (const [place, { group }] of drawn.cells) {
      setAttribute(group, "tabindex", place === cursor ? 0 : -1);
    }
    if (hadFocus) drawn.cells.get(cursor)?.group.focus({ preventScroll: true });
  }

  /** Make the nodes of all cells. @param {View} view */
  function rebuild(view) {
    const [top, left] = [view.rows[0], view.columns[0]];
    const head = view.hasHeads ? HEAD : 0;
    const height = (view.rows[1] - top + 1) * CELL + head;
    const width = (view.columns[1] - left + 1) * CELL + head;
    drawn.size = [height, width];
    drawn.cells.clear();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.setProperty("--units-wide", String(width / CELL));
    const rows = [];
    for (let row = top; row <= view.rows[1]; row += 1) {
      const group = makeSvg("g", { role: "row", "aria-rowindex": row - view.rowBounds[0] + 1 });
      for (let column = left; column <= view.columns[1]; column += 1) {
        const nodes = makeCell(row, column, (column - left) * CELL + head, (row - top) * CELL + head);
        drawn.cells.set(`${row},${column}`, nodes);
        group.append(nodes.group);
      }
      rows.push(group);
    }
    svg.replaceChildren(...(view.hasHeads ? makeHeads(view) : []), ...rows);
  }

  listen(element, svg, drawn, events, message);
  return { element, svg, update, measure: () => drawn.size };
}

/** @param {View} view @returns {Map<string, Cell>} */
function readCells(view) {
  const cells = new Map();
  for (let row = view.rows[0]; row <= view.rows[1]; row += 1) {
    for (let column = view.columns[0]; column <= view.columns[1]; column += 1) {
      cells.set(`${row},${column}`, view.getCell(row, column));
    }
  }
  return cells;
}

/** The size at which the longest text of a grid fits. @param {Map<string, Cell>} cells */
function chooseTextSize(cells) {
  let longest = 1;
  for (const { text } of cells.values()) longest = Math.max(longest, text.length);
  return fitText(longest, MAX_TEXT);
}

/** The font size at which a text fits into a cell. @param {number} letters @param {number} most */
function fitText(letters, most) {
  return Math.min(most, (CELL - 5) / (TEXT_WIDTH * Math.max(letters, 1)));
}

/** @param {number} row @param {number} column @param {number} x @param {number} y @returns {CellNodes} */
function makeCell(row, column, x, y) {
  const side = CELL - 2 * GAP;
  const rect = makeSvg("rect", { x: x + GAP, y: y + GAP, width: side, height: side, rx: 3 });
  const text = makeSvg("text", { x: x + CELL / 2, class: "value", "text-anchor": "middle" });
  const note = makeSvg("text", { x: x + CELL / 2, class: "note", "text-anchor": "middle" });
  const hatch = makeSvg("path", { d: drawHatch(x + GAP, y + GAP, side), class: "hatch" });
  const inner = side - 2 * FOCUS_INSET;
  const start = `${x + GAP + FOCUS_INSET} ${y + GAP + FOCUS_INSET}`;
  const focus = makeSvg("path", { d: `M${start}h${inner}v${inner}h${-inner}z`, class: "focus" });
  const group = makeSvg("g", { role: "gridcell", tabindex: -1 }, rect, hatch, text, note, focus);
  group.dataset.row = String(row);
  group.dataset.column = String(column);
  return { group, rect, text, note };
}

/** Lines across a cell that no window covers. @param {number} x @param {number} y @param {number} side */
function drawHatch(x, y, side) {
  const parts = [];
  for (let start = 8; start < 2 * side; start += 8) {
    const low = Math.max(start - side, 0);
    const high = Math.min(start, side);
    parts.push(`M${x + low} ${y + start - low}L${x + high} ${y + start - high}`);
  }
  return parts.join("");
}

/** @param {CellNodes} nodes @param {Cell} cell @param {number} size */
function drawCell({ group, rect, text, note }, cell, size) {
  const middle = Number(rect.getAttribute("y")) - GAP + CELL / 2;
  setAttribute(group, "class", ["cell", cell.kind ?? "", ...(cell.marks ?? [])].join(" "));
  setAttribute(group, "aria-label", cell.label);
  setAttribute(rect, "fill", cell.fill ?? null);
  const noteSize = fitText((cell.note ?? "").length, MAX_NOTE);
  const shownNote = noteSize < MIN_TEXT ? "" : cell.note ?? "";
  const hasNote = shownNote !== "";
  const shownText = size < MIN_TEXT ? "" : cell.text;
  setText(text, shownText);
  setAttribute(text, "y", round(middle + size * 0.36 - (hasNote ? 6 : 0)));
  setAttribute(text, "font-size", round(size));
  setText(note, shownNote);
  setAttribute(note, "y", round(middle + (shownText === "" ? noteSize * 0.36 : 15)));
  setAttribute(note, "font-size", round(noteSize));
  for (const node of [text, note]) setAttribute(node, "fill", cell.ink ?? null);
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}

/** The numbers of rows and columns. @param {View} view */
function makeHeads(view) {
  const heads = [];
  for (let row = view.rows[0]; row <= view.rows[1]; row += 1) {
    const y = HEAD + (row - view.rows[0] + 0.5) * CELL + 3.5;
    heads.push(makeHead(row, HEAD - 4, y, "end"));
  }
  for (let column = view.columns[0]; column <= view.columns[1]; column += 1) {
    heads.push(makeHead(column, HEAD + (column - view.columns[0] + 0.5) * CELL, HEAD - 6, "middle"));
  }
  return heads;
}

/** @param {number} index @param {number} x @param {number} y @param {string} anchor */
function makeHead(index, x, y, anchor) {
  const size = Math.abs(index) > 99 ? 7.5 : 10;
  const head = makeSvg("text", { x, y, class: "head", "text-anchor": anchor, "font-size": size });
  head.setAttribute("aria-hidden", "true");
  head.textContent = String(index).replace("-", "\u2212");
  return head;
}

/** The cell of an event, or null. @param {Event} event @returns {[number, number] | null} */
function findCell(event) {
  const target = event.target instanceof Element ? event.target.closest("[role=gridcell]") : null;
  if (!(target instanceof SVGElement)) return null;
  return [Number(target.dataset.row), Number(target.dataset.column)];
}

/**
 * Listen to a grid's pointers and keys.
 * @param {HTMLElement} figure
 * @param {SVGSVGElement} svg
 * @param {{view: View | null, cells: Map<string, CellNodes>}} drawn
 * @param {Events} events
 * @param {HTMLElement} message
 */
function listen(figure, svg, drawn, events, message) {
  let hasFocused = false;
  svg.addEventListener("pointermove", (event) => {
    const place = findCell(event);
    if (place && event.pointerType === "mouse") events.onPoint(...place, "hover");
  });
  svg.addEventListener("pointerleave", () => events.onLeave());
  svg.addEventListener("pointerdown", (event) => {
    const place = findCell(event);
    const group = place && drawn.cells.get(place.join())?.group;
    hasFocused = group !== null && group === document.activeElement;
  });
  svg.addEventListener("click", (event) => {
    const place = findCell(event);
    if (place === null) return;
    drawn.cells.get(place.join())?.group.focus({ preventScroll: true });
    if (hasFocused) edit(place, null);
    else events.onPoint(...place, "tap");
  });
  svg.addEventListener("focusin", (event) => {
    const place = findCell(event);
    if (place && svg.contains(/** @type {Node | null} */ (event.relatedTarget)) === false) {
      if (!svg.matches(":hover")) events.onPoint(...place, "key");
    }
  });
  svg.addEventListener("focusout", (event) => {
    if (!figure.contains(/** @type {Node | null} */ (event.relatedTarget))) events.onLeave();
  });
  svg.addEventListener("keydown", (event) => {
    const place = findCell(event);
    if (place === null || drawn.view === null || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === "F2") edit(place, null);
    else if (/^[-0-9.\u2212]$/.test(event.key) && !event.ctrlKey) edit(place, event.key);
    else {
      const next = moveCursor(drawn.view, place, event);
      if (next === null) return;
      events.onPoint(...next, "key");
      drawn.cells.get(next.join())?.group.focus({ preventScroll: true });
    }
    event.preventDefault();
  });

  /** @param {[number, number]} place @param {string | null} typed */
  function edit(place, typed) {
    const group = drawn.cells.get(place.join())?.group;
    if (events.startEdit === null || !group || !isInBounds(drawn.view, place)) return;
    const text = typed ?? events.startEdit(...place);
    openEditor(figure, group, text, message, typed === null, (value) => events.onEdit(...place, value));
  }
}

/** @param {View | null} view @param {[number, number]} place */
function isInBounds(view, [row, column]) {
  if (view === null) return false;
  const { rowBounds, columnBounds } = view;
  return row >= rowBounds[0] && row <= rowBounds[1] && column >= columnBounds[0] && column <= columnBounds[1];
}

const PAGE_STEP = 5; // rows that Page Up and Page Down move

/**
 * Where a key moves the cursor; null for other keys.
 * @param {View} view
 * @param {[number, number]} place
 * @param {KeyboardEvent} event
 * @returns {[number, number] | null}
 */
function moveCursor(view, [row, column], event) {
  const { rowBounds, columnBounds } = view;
  /** @param {number} value @param {Pair} bounds */
  const limit = (value, bounds) => Math.min(Math.max(value, bounds[0]), bounds[1]);
  /** @type {Record<string, [number, number]>} */
  const moves = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    PageUp: [row - PAGE_STEP, column],
    PageDown: [row + PAGE_STEP, column],
    Home: [event.ctrlKey ? rowBounds[0] : row, columnBounds[0]],
    End: [event.ctrlKey ? rowBounds[1] : row, columnBounds[1]],
  };
  if (!Object.hasOwn(moves, event.key)) return null;
  const [nextRow, nextColumn] = moves[event.key];
  return [limit(nextRow, rowBounds), limit(nextColumn, columnBounds)];
}

/**
 * Open a field over a cell. Enter keeps the value, Escape leaves it.
 * @param {HTMLElement} figure
 * @param {SVGGElement} group
 * @param {string} text
 * @param {HTMLElement} message
 * @param {boolean} isSelected
 * @param {(text: string) => string} onEdit
 */
function openEditor(figure, group, text, message, isSelected, onEdit) {
  const box = group.querySelector("rect")?.getBoundingClientRect();
  if (!box) return;
  const origin = figure.getBoundingClientRect();
  const field = make("input", {
    className: "cell-editor", type: "text", inputMode: "text", value: text, autocomplete: "off",
    "aria-label": `New value of ${group.getAttribute("aria-label")}`,
  });
  field.style.left = `${box.left - origin.left + box.width / 2}px`;
  field.style.top = `${box.top - origin.top + box.height / 2}px`;
  let isOpen = true;
  /** @param {boolean} hasFocus Whether the cell takes the focus back. */
  const close = (hasFocus) => {
    isOpen = false;
    field.remove();
    if (hasFocus) group.focus({ preventScroll: true });
  };
  /** @param {boolean} isLast Whether a wrong value is given up. */
  const keep = (isLast) => {
    const problem = field.value === text && isSelected ? "" : onEdit(field.value);
    message.hidden = problem === "";
    setText(message, problem);
    setAttribute(field, "aria-invalid", problem === "" ? null : "true");
    if (problem === "" || isLast) close(!isLast);
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") keep(false);
    else if (event.key === "Escape") {
      message.hidden = true;
      close(true);
    }
  });
  field.addEventListener("blur", () => {
    if (isOpen) keep(true);
  });
  figure.append(field);
  field.focus({ preventScroll: true });
  if (isSelected) field.select();
}
