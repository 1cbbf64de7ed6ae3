// Pictures: the levels of their pixels, and the panel that shows them beside what becomes of them.

import { makeAxes, effectiveKernel, outputSize, toLevels } from "./arithmetic.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Maps} Maps */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").Position} Position */
/** @typedef {import("./types.d.ts").PagePicture} PagePicture */

/**
 * A picture that was opened on the page.
 * @typedef {object} OpenedPicture
 * @property {Maps} maps Levels, 0 to 255, of one or three channels.
 * @property {string | null} source Its name, where convcli reads the same levels from the file.
 * @property {string[]} notes
 */

/**
 * @typedef {object} PicturePanel
 * @property {HTMLElement} element
 * @property {(state: State, outputs: Maps) => void} update
 */

const MAX_PIXELS = 65536; // of a picture in a page; a larger one is resampled
const MAX_FILE_BYTES = 100e6;
const MAX_SHOWN_PIXELS = 480; // along the longer side of a picture on the page
const KEYS = /** @type {Record<string, [number, number]>} */ ({
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -Infinity], End: [0, Infinity],
});

/**
 * Return the levels of the picture that the page holds, (C, H, W).
 * @param {PagePicture} picture
 */
export async function readPicture(picture) {
  const text = atob(picture.dataUrl.slice(picture.dataUrl.indexOf(",") + 1));
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const bitmap = await decode(new Blob([bytes], { type: "image/png" }));
  return readLevels(drawBitmap(bitmap, bitmap.width, bitmap.height), picture.channels);
}

/**
 * Read a picture's file; a large picture is resampled.
 * @param {File} file
 * @returns {Promise<OpenedPicture>}
 * @throws {Error} With a sentence, for what is no picture.
 */
export async function openPicture(file) {
  if (file.size > MAX_FILE_BYTES) throw new Error(`${file.name} is too large for a page.`);
  const bitmap = await decode(file).catch(() => {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  });
  const { width, height } = bitmap;
  const share = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
  const size = [width, height].map((side) => Math.max(Math.floor(side * share), 1));
  const image = drawBitmap(bitmap, size[0], size[1]);
  const notes = [];
  if (share < 1) {
    const [from, to] = [`${width}\u00d7${height}`, size.join("\u00d7")];
    notes.push(`The picture is resampled from ${from} to ${to} pixels.`);
  }
  if (image.data.some((value, index) => index % 4 === 3 && value < 255)) {
    notes.push("Its transparency is not shown.");
  }
  const isGray = !image.data.some(
    (value, index) => index % 4 < 3 && value !== image.data[index - (index % 4)],
  );
  const isExact = file.type === "image/png" && notes.length === 0;
  return { maps: readLevels(image, isGray ? 1 : 3), source: isExact ? file.name : null, notes };
}

/** Decode a picture to its own values: no color profile, no alpha is applied. @param {Blob} blob */
function decode(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

/** @param {ImageBitmap} bitmap @param {number} width @param {number} height */
function drawBitmap(bitmap, width, height) {
  const context = makeContext(width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** @param {number} width @param {number} height */
function makeContext(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
}

/** @param {ImageData} image @param {number} channels @returns {Maps} */
function readLevels({ data, width, height }, channels) {
  return Array.from({ length: channels }, (_, channel) =>
    Array.from({ length: height }, (_, row) =>
      Array.from({ length: width }, (_, column) => data[4 * (row * width + column) + channel]),
    ),
  );
}

/**
 * Return the pixels of maps of levels: three in color, one alone in gray.
 * @param {Maps} maps
 * @param {number} channel The map that is shown where there are neither one nor three.
 */
function writeLevels(maps, channel) {
  const [height, width] = [maps[0].length, maps[0][0].length];
  const planes = maps.length === 3 ? maps : Array(3).fill(maps[maps.length === 1 ? 0 : channel]);
  const image = new ImageData(width, height);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const offset = 4 * (row * width + column);
      for (let plane = 0; plane < 3; plane += 1) {
        image.data[offset + plane] = planes[plane][row][column];
      }
      image.data[offset + 3] = 255;
    }
  }
  return image;
}

/**
 * Make the panel: the input and the output as pictures, with the window and its output marked, and
 * the values there. A picture that is chosen or dropped on it is opened.
 * @param {object} page
 * @param {() => State} page.getState
 * @param {(position: Position) => void} page.moveTo Move to an output.
 * @param {(picture: OpenedPicture) => void} page.open
 * @param {(message: string) => void} page.say Say what went wrong, or is to be noted.
 * @returns {PicturePanel}
 */
export function makePicturePanel({ getState, moveTo, open, say }) {
  const views = [new PictureView("Input"), new PictureView("Output")];
  const values = document.createElement("p");
  values.className = "picture-values";
  const [label, chooser] = makeChooser((file) => load(file));
  const element = document.createElement("section");
  element.className = "picture-panel";
  element.setAttribute("aria-label", "Pictures");
  const pair = document.createElement("div");
  pair.className = "picture-pair";
  pair.append(...views.map((view) => view.element));
  element.append(pair, values, label);

  /** @param {File} file */
  async function load(file) {
    try {
      const picture = await openPicture(file);
      open(picture);
      if (picture.notes.length > 0) say(picture.notes.join(" "));
    } catch (error) {
      say(error instanceof Error ? error.message : `${error}`);
    }
    chooser.value = "";
  }

  acceptDrops(element, load);
  /** @param {Position} position Of the output. */
  const move = (position) => moveTo(limit(getState(), position));
  views[0].listen(({ row, column }) => {
    const [rows, columns] = makeAxes(getState());
    move({ row: toOutput(rows, row), column: toOutput(columns, column) });
  });
  views[1].listen(move);
  for (const view of views) {
    view.canvas.addEventListener("keydown", (event) => {
      const step = KEYS[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const { row, column } = getState().at;
      move({ row: row + step[0], column: column + step[1] });
    });
  }

  const writeInput = remember((/** @type {Maps} */ maps) => writeLevels(toLevels(maps, "clamp"), 0));
  const findLevels = remember(toLevels);
  const writeOutput = remember(writeLevels);
  return {
    element,
    update(state, outputs) {
      const input = /** @type {Maps} */ (state.input);
      const [rows, columns] = makeAxes(state);
      views[0].draw(writeInput(input), findWindow(state));
      const levels = findLevels(outputs, state.range);
      const { row, column, channel } = state.at;
      views[1].draw(writeOutput(levels, channel), { row, column, height: 1, width: 1 });
      const center = { row: toInput(rows, row), column: toInput(columns, column) };
      values.textContent =
        `Input ${center.row}, ${center.column}: ${readAt(input, center)}. ` +
        `Output ${row}, ${column}: ${readAt(outputs, state.at)}, ` +
        `as a pixel ${readAt(levels, state.at)}.`;
    },
  };
}

/**
 * Return a function that computes again only for other arguments than the last.
 * @template {unknown[]} Arguments
 * @template Result
 * @param {(...values: Arguments) => Result} compute
 * @returns {(...values: Arguments) => Result}
 */
function remember(compute) {
  /** @type {{values: Arguments, result: Result} | null} */
  let last = null;
  return (...values) => {
    if (last === null || values.some((value, index) => value !== last?.values[index])) {
      last = { values, result: compute(...values) };
    }
    return last.result;
  };
}

/** The input's part under the window. @param {State} state */
function findWindow(state) {
  const [rows, columns] = makeAxes(state);
  const { at } = state;
  const [height, width] = [rows, columns].map(
    (axis) => axis.isTransposed ? Math.ceil(effectiveKernel(axis) / axis.stride) : effectiveKernel(axis),
  );
  const [row, column] = [[rows, at.row], [columns, at.column]].map(([axis, place]) => {
    const { isTransposed, stride, before } = /** @type {typeof rows} */ (axis);
    const output = /** @type {number} */ (place);
    if (!isTransposed) return output * stride - before;
    return Math.floor((output + before) / stride) - (axis === rows ? height : width) + 1;
  });
  return { row, column, height, width };
}

/** The output whose window has an input in its middle. @param {ReturnType<typeof makeAxes>[0]} axis @param {number} place */
function toOutput(axis, place) {
  if (axis.isTransposed) return place * axis.stride - axis.before + ((axis.kernel - 1) >> 1) * axis.dilation;
  const middle = ((axis.kernel - 1) >> 1) * axis.dilation;
  return Math.round((place + axis.before - middle) / axis.stride);
}

/** The input in the middle of an output's window. @param {ReturnType<typeof makeAxes>[0]} axis @param {number} output */
function toInput(axis, output) {
  const middle = ((axis.kernel - 1) >> 1) * axis.dilation;
  const place = axis.isTransposed
    ? Math.round((output + axis.before - middle) / axis.stride)
    : output * axis.stride - axis.before + middle;
  return Math.min(Math.max(place, 0), axis.size - 1);
}

/** @param {State} state @param {Position} position @returns {Position} */
function limit(state, { row, column }) {
  const [height, width] = outputSize(state);
  return {
    row: Math.min(Math.max(row, 0), height - 1),
    column: Math.min(Math.max(column, 0), width - 1),
  };
}

/** The values of all channels, for people. @param {Maps} maps @param {Position} at */
function readAt(maps, { row, column }) {
  return maps
    .map((map) => String(Math.round(map[row][column] * 100) / 100).replace("-", "\u2212"))
    .join(", ");
}

/**
 * Make a button that opens a file of a picture, for the mouse and for the keyboard.
 * @param {(file: File) => void} load
 * @returns {[HTMLElement, HTMLInputElement]}
 */
function makeChooser(load) {
  const label = document.createElement("label");
  label.className = "picture-chooser";
  const chooser = document.createElement("input");
  chooser.type = "file";
  chooser.accept = "image/*";
  chooser.addEventListener("change", () => {
    const file = chooser.files?.[0];
    if (file) load(file);
  });
  label.append("Open another picture, or drop one here: ", chooser);
  return [label, chooser];
}

/** @param {HTMLElement} element @param {(file: File) => void} load */
function acceptDrops(element, load) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("is-target");
  });
  element.addEventListener("dragleave", () => element.classList.remove("is-target"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("is-target");
    const file = event.dataTransfer?.files[0];
    if (file) load(file);
  });
}

/** A picture on the page, on which a rectangle of pixels is marked. */
class PictureView {
  /** @param {string} name */
  constructor(name) {
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `${name} picture: arrow keys move the window`);
    this.caption = document.createElement("figcaption");
    this.name = name;
    this.element = document.createElement("figure");
    this.element.append(this.caption, this.canvas);
    /** @type {Pair} */
    this.size = [1, 1];
  }

  /** @param {ImageData} image @param {Position & {height: number, width: number}} mark */
  draw(image, mark) {
    const { width, height } = image;
    const zoom = Math.max(Math.floor(MAX_SHOWN_PIXELS / Math.max(width, height)), 1);
    this.size = [height, width];
    this.canvas.width = width * zoom;
    this.canvas.height = height * zoom;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const source = makeContext(width, height);
    source.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(source.canvas, 0, 0, width * zoom, height * zoom);
    const box = [mark.column * zoom, mark.row * zoom, mark.width * zoom, mark.height * zoom];
    for (const [color, grow] of /** @type {[string, number][]} */ ([["#000", 3.5], ["#fff", 2], ["#e8590c", 0.5]])) {
      context.strokeStyle = color;
      context.lineWidth = 1.5;
      context.strokeRect(box[0] - grow, box[1] - grow, box[2] + 2 * grow, box[3] + 2 * grow);
    }
    this.caption.textContent = `${this.name}, ${height}\u00d7${width}`;
  }

  /**
   * Report the pixel under the pointer.
   * @param {(position: Position) => void} point
   */
  listen(point) {
    /** @param {PointerEvent} event */
    const report = (event) => {
      const box = this.canvas.getBoundingClientRect();
      point({
        row: Math.floor(((event.clientY - box.top) / box.height) * this.size[0]),
        column: Math.floor(((event.clientX - box.left) / box.width) * this.size[1]),
      });
    };
    this.canvas.addEventListener("pointerdown", report);
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" || event.buttons > 0) report(event);
    });
  }
}
