// The step on the screen as an SVG file of its own.

import { make, makeSvg } from "./dom.js";

/** @typedef {import("./grids.js").Grid} Grid */

const CAPTION = 42; // above a grid
const SPACE = 44; // between grids
const MARGIN = 20;
const LINE = 20;
const FONT = "system-ui, 'DejaVu Sans', sans-serif";
/** What a style sheet gives to a node of the drawing. */
const STYLES = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "opacity", "font-weight"];

/**
 * Draw grids side by side, with texts below.
 * @param {Grid[][]} rows
 * @param {string} title
 * @param {string[]} lines
 * @returns {string} An SVG file.
 */
export function drawStep(rows, title, lines) {
  const body = makeSvg("g");
  body.append(writeText(title, MARGIN, MARGIN + 14, 17));
  let y = MARGIN + 36;
  let width = title.length * 10;
  for (const grids of rows) {
    let x = MARGIN;
    let height = 0;
    for (const grid of grids) {
      const [gridHeight, gridWidth] = grid.measure();
      const [name, detail] = readCaption(grid);
      body.append(writeText(name, x, y + 14, 15), writeText(detail, x, y + 32, 12), moveGrid(grid, x, y + CAPTION));
      x += gridWidth + SPACE;
      height = Math.max(height, gridHeight);
    }
    width = Math.max(width, x - SPACE);
    y += CAPTION + height + MARGIN;
  }
  for (const line of lines) {
    body.append(writeText(line, MARGIN, y + 14, 14));
    width = Math.max(width, MARGIN + line.length * 7.6);
    y += LINE;
  }
  return writeFile(body, [y + MARGIN, width + MARGIN], title, lines[0] ?? "");
}

/** @param {SVGGElement} body @param {[number, number]} size @param {string} title @param {string} description */
function writeFile(body, [height, width], title, description) {
  const style = getComputedStyle(document.body);
  const name = makeSvg("title");
  name.textContent = title;
  const text = makeSvg("desc");
  text.textContent = description;
  const page = makeSvg("rect", { width, height, fill: style.backgroundColor });
  const svg = makeSvg(
    "svg", { viewBox: `0 0 ${width} ${height}`, width, height, "font-family": FONT }, name, text, page, body,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;
}

/** @param {Grid} grid */
function readCaption({ element }) {
  return [...element.querySelectorAll("figcaption span")].map((span) => span.textContent ?? "");
}

/** @param {string} text @param {number} x @param {number} y @param {number} size */
function writeText(text, x, y, size) {
  const node = makeSvg("text", { x, y, "font-size": size, fill: getComputedStyle(document.body).color });
  node.textContent = text;
  return node;
}

/** Copy a grid to a place, its styles written out. @param {Grid} grid @param {number} x @param {number} y */
function moveGrid({ svg }, x, y) {
  const group = makeSvg("g", { transform: `translate(${x} ${y})` });
  for (const node of svg.querySelectorAll("rect, text, path")) {
    if (node.tagName === "text" && node.textContent === "") continue;
    const style = getComputedStyle(node);
    if (style.display === "none") continue;
    const copy = /** @type {SVGElement} */ (node.cloneNode(true));
    for (const name of STYLES) copy.setAttribute(name, style.getPropertyValue(name).replace(/px/g, ""));
    copy.removeAttribute("class");
    group.append(copy);
  }
  return group;
}

/** Give a text to the user as a file. @param {string} text @param {string} name */
export function saveFile(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  const link = make("a", { href: url, download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 1000);
}
