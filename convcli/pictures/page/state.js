// The page's state: what is allowed, and how the address bar holds it. No DOM.

import { findMisfit, makeAxes, effectiveKernel, listLayers, outputChannels, outputSize } from "./arithmetic.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").Maps} Maps */

export const MODES = ["zero", "reflect", "replicate", "circular", "symmetric", "constant"];
export const OPERATION_NAMES = ["conv", "tconv", "maxpool", "avgpool"];
export const RANGES = ["none", "clamp", "abs", "rescale", "offset"];
export const MAX_SIDE = 4096; // of an input without numbers, and of any output
export const MAX_NUMBERS = 65536; // of a grid, and of weights
const MAX_KERNEL_SIDE = 101;
const MAX_PRODUCTS = 2e8; // of all outputs: about a second
const MAX_HASH_NUMBERS = 2048; // of a grid or of weights in the address bar
const MAX_LAYERS = 100;
const LAYER = /^[a-z0-9_]+(:[a-z0-9_=,.x-]*)?$/;

/**
 * Say why the page cannot show a state, in a sentence; "" where it can.
 * @param {State} state
 */
export function findProblem(state) {
  const axes = makeAxes(state);
  for (const [index, name] of /** @type {[0 | 1, string][]} */ ([[0, "rows"], [1, "columns"]])) {
    const problem = findAxisProblem(state, axes[index], outputSize(state)[index], name);
    if (problem !== "") return problem;
  }
  const misfit = findMisfit(state);
  if (misfit !== "") return `${misfit[0].toUpperCase()}${misfit.slice(1)}.`;
  return findCostProblem(state) || findStackProblem(state);
}

/** @param {State} state */
function findStackProblem(state) {
  try {
    listLayers(state);
    return "";
  } catch (error) {
    return `Layer ${error instanceof Error ? error.message : error}.`;
  }
}

/**
 * @param {State} state
 * @param {ReturnType<typeof makeAxes>[0]} axis
 * @param {number} output
 * @param {string} name
 */
function findAxisProblem(state, axis, output, name) {
  const { size, kernel, before, after, stride, dilation, outputPadding } = axis;
  if (state.op === "tconv") {
    if (outputPadding >= Math.max(stride, dilation)) {
      return `Output padding of ${outputPadding} ${name} must be less than the stride or the dilation.`;
    }
    return output < 1 ? `The padding crops all ${name} of the output: make it smaller.` : "";
  }
  const padded = size + before + after;
  const extent = effectiveKernel(axis);
  if (extent > padded) {
    const window = dilation === 1 ? `The window has ${extent}` : `The dilated window spans ${extent}`;
    return `${window} ${name} and the padded input ${padded}: make the kernel smaller or the padding larger.`;
  }
  if (output < 1) return `No window of ${kernel} ${name} starts inside the input.`;
  return "";
}

/** @param {State} state */
function findCostProblem(state) {
  const [height, width] = outputSize(state);
  if (height > MAX_SIDE || width > MAX_SIDE) {
    return `An output of ${height}\u00d7${width} is too large for a page: ${MAX_SIDE} a side is the most.`;
  }
  if (state.input === null) return "";
  const taps = state.kernel[0] * state.kernel[1] * (state.weights[0]?.length ?? 1);
  const products = height * width * outputChannels(state) * taps;
  if (products > MAX_PRODUCTS) {
    const count = Math.round(products / 1e6).toLocaleString("en-US");
    return `That takes ${count} million products: a page computes ${MAX_PRODUCTS / 1e6} million at most.`;
  }
  return "";
}

/**
 * Change the kernel's size: weights stay around the center, new ones are 0 (1 of all ones).
 * @param {State} state
 * @param {Pair} kernel
 * @returns {State}
 */
export function changeKernelSize(state, kernel) {
  const fill = state.weights.flat(3).every((weight) => weight === 1) ? 1 : 0;
  const [top, left] = [0, 1].map((axis) => Math.floor((state.kernel[axis] - kernel[axis]) / 2));
  const weights = state.weights.map((planes) =>
    planes.map((plane) =>
      Array.from({ length: kernel[0] }, (_, row) =>
        Array.from({ length: kernel[1] }, (_, column) => plane[row + top]?.[column + left] ?? fill),
      ),
    ),
  );
  return { ...state, kernel, weights };
}

/**
 * Change the input's size: numbers stay at the top left, new ones are 0.
 * @param {State} state
 * @param {Pair} size
 * @returns {State}
 */
export function changeInputSize(state, size) {
  const [height, width] = size;
  const input =
    state.input?.map((map) =>
      Array.from({ length: height }, (_, row) =>
        Array.from({ length: width }, (_, column) => map[row]?.[column] ?? 0),
      ),
    ) ?? null;
  return { ...state, size, input };
}

/**
 * Move the position into the output.
 * @param {State} state
 * @returns {State}
 */
export function limitPosition(state) {
  const [height, width] = outputSize(state);
  const { channel, row, column } = state.at;
  const at = {
    channel: Math.min(channel, outputChannels(state) - 1),
    row: Math.min(row, height - 1),
    column: Math.min(column, width - 1),
  };
  return { ...state, at };
}

/**
 * Each setting of a state: its key in the address bar, how it is written, and how it is read.
 * A reader returns undefined for what it does not understand.
 * @typedef {object} Field
 * @property {keyof State} name
 * @property {(state: State) => string | null} write
 * @property {(text: string) => unknown} read
 */

/** @type {Record<string, Field>} */
const FIELDS = {
  op: makeChoice("op", OPERATION_NAMES),
  n: makeList("size", 2, 1, MAX_SIDE, "x"),
  k: makeList("kernel", 2, 1, MAX_KERNEL_SIDE, "x"),
  s: makeList("stride", 2, 1, MAX_SIDE, "x"),
  d: makeList("dilation", 2, 1, MAX_SIDE, "x"),
  p: {
    name: "padding",
    write: (state) => state.padding.flat().join(","),
    read: (text) => {
      const sides = readWholes(text, ",", 4, 0, MAX_SIDE);
      return sides && [sides.slice(0, 2), sides.slice(2)];
    },
  },
  o: makeList("outputPadding", 2, 0, MAX_SIDE, "x"),
  mode: { name: "mode", write: (state) => state.mode, read: readMode },
  flip: makeFlag("flip"),
  ceil: makeFlag("ceil"),
  count: makeFlag("countPadding"),
  bias: {
    name: "bias",
    write: (state) => String(state.bias),
    read: (text) => readNumbers(text)?.[0],
  },
  biases: {
    name: "mapBiases",
    write: (state) => state.mapBiases.join(","),
    read: (text) => (text === "" ? [] : readNumbers(text)),
  },
  range: makeChoice("range", RANGES),
  relu: makeFlag("relu"),
  l: { name: "layers", write: (state) => state.layers.join(" "), read: readLayers },
  w: {
    name: "weights",
    write: (state) => writeArray(state.weights),
    read: (text) => readArray(text, 4),
  },
  x: {
    name: "input",
    write: (state) => (state.input === null ? "none" : writeArray(state.input)),
    read: (text) => (text === "none" ? null : readArray(text, 3)),
  },
  at: {
    name: "at",
    write: ({ at }) => [at.channel, at.row, at.column].join(","),
    read: (text) => {
      const place = readWholes(text, ",", 3, 0, MAX_NUMBERS);
      return place && { channel: place[0], row: place[1], column: place[2] };
    },
  },
};

/** @param {keyof State} name @param {string[]} choices @returns {Field} */
function makeChoice(name, choices) {
  return {
    name,
    write: (state) => String(state[name]),
    read: (text) => (choices.includes(text) ? text : undefined),
  };
}

/** @param {keyof State} name @returns {Field} */
function makeFlag(name) {
  return {
    name,
    write: (state) => (state[name] ? "1" : "0"),
    read: (text) => (text === "1" ? true : text === "0" ? false : undefined),
  };
}

/**
 * @param {keyof State} name
 * @param {number} count
 * @param {number} low
 * @param {number} high
 * @param {string} separator
 * @returns {Field}
 */
function makeList(name, count, low, high, separator) {
  return {
    name,
    write: (state) => /** @type {number[]} */ (state[name]).join(separator),
    read: (text) => readWholes(text, separator, count, low, high),
  };
}

/**
 * @param {string} text
 * @param {string} separator
 * @param {number} count
 * @param {number} low
 * @param {number} high
 */
function readWholes(text, separator, count, low, high) {
  const parts = text.split(separator);
  if (parts.length !== count || !parts.every((part) => /^\d{1,5}$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number >= low && number <= high) ? numbers : undefined;
}

/** @param {string} text */
function readNumbers(text) {
  const parts = text.split(",");
  if (parts.length > MAX_NUMBERS) return undefined;
  if (!parts.every((part) => /^-?\d+(\.\d+)?(e[-+]?\d{1,3})?$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every(Number.isFinite) ? numbers : undefined;
}

/** @param {string} text */
function readMode(text) {
  if (text.startsWith("constant:")) {
    const numbers = readNumbers(text.slice("constant:".length));
    return numbers?.length === 1 ? text : undefined;
  }
  return MODES.includes(text) && text !== "constant" ? text : undefined;
}

/** @param {string} text */
function readLayers(text) {
  const layers = text.split(" ").filter((layer) => layer !== "");
  const isRight = layers.length <= MAX_LAYERS && layers.every((layer) => LAYER.test(layer));
  return isRight && text.length <= 4000 ? layers : undefined;
}

/**
 * Write numbers in nested lists of one shape: "2x3:1,2,3,4,5,6"; null for too many.
 * @param {any[]} array
 */
function writeArray(array) {
  const shape = [];
  for (let part = array; Array.isArray(part); part = part[0]) shape.push(part.length);
  const numbers = array.flat(shape.length);
  return numbers.length > MAX_HASH_NUMBERS ? null : `${shape.join("x")}:${numbers.join(",")}`;
}

/** @param {string} text @param {number} axes */
function readArray(text, axes) {
  const [head, body = ""] = text.split(":");
  const shape = readWholes(head, "x", axes, 1, MAX_NUMBERS);
  const numbers = readNumbers(body);
  if (!shape || !numbers || shape.reduce((a, b) => a * b) !== numbers.length) return undefined;
  /** @type {any[]} */
  let array = numbers;
  for (const length of shape.slice(1).reverse()) {
    const parts = [];
    for (let start = 0; start < array.length; start += length) {
      parts.push(array.slice(start, start + length));
    }
    array = parts;
  }
  return array;
}

/**
 * Write what of a state differs from the page's own, for the address bar.
 * @param {State} state
 * @param {State} defaults
 */
export function writeHash(state, defaults) {
  const parts = [];
  for (const [key, field] of Object.entries(FIELDS)) {
    const text = field.write(state);
    if (text === null || text === field.write(defaults)) continue;
    parts.push(`${key}=${encodeURIComponent(text).replace(/%(2C|3A|20)/g, unescapeCharacter)}`);
  }
  return parts.join("&");
}

/**
 * Whether the address bar leaves out numbers that are not the page's own, as they are too many.
 * @param {State} state
 * @param {State} original What the page was made of.
 */
export function exceedsHash(state, original) {
  return Object.values(FIELDS).some(
    ({ name, write }) => state[name] !== original[name] && write(state) === null,
  );
}

/** @param {string} _ @param {string} code */
function unescapeCharacter(_, code) {
  return { "2C": ",", "3A": ":", 20: "+" }[code] ?? "";
}

/**
 * Read a state from the address bar; what it does not name is the page's own.
 * @param {string} hash Without #.
 * @param {State} defaults
 * @returns {State}
 * @throws {RangeError} With a sentence, where it is no state.
 */
export function readHash(hash, defaults) {
  /** @type {Record<string, unknown>} */
  const changes = {};
  for (const part of hash.split("&").filter((text) => text !== "")) {
    const [key, ...rest] = part.split("=");
    const field = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    const value = field?.read(decode(rest.join("=")));
    if (field === undefined || value === undefined) {
      throw new RangeError(`its part \u201c${part.slice(0, 40)}\u201d says nothing that the page knows`);
    }
    changes[field.name] = value;
  }
  return completeState({ ...defaults, ...changes }, changes);
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return "\u0000";
  }
}

/**
 * Make the parts of a state fit each other, or throw.
 * @param {State} state
 * @param {Record<string, unknown>} changes What was read.
 * @returns {State}
 */
function completeState(state, changes) {
  let complete = state;
  if (changes.weights !== undefined) {
    const plane = state.weights[0][0];
    complete = { ...complete, kernel: [plane.length, plane[0].length] };
  } else if (changes.kernel !== undefined) {
    const planes = state.weights.length > 0 ? state.weights : [[[[1]]]];
    const own = /** @type {Pair} */ ([planes[0][0].length, planes[0][0][0].length]);
    if (planes.length * planes[0].length * state.kernel[0] * state.kernel[1] > MAX_NUMBERS) {
      throw new RangeError(`a kernel of ${state.kernel.join("\u00d7")} is too large for a page`);
    }
    complete = changeKernelSize({ ...complete, weights: planes, kernel: own }, state.kernel);
  }
  if (changes.input) {
    const map = /** @type {Maps} */ (complete.input)[0];
    complete = { ...complete, size: [map.length, map[0].length] };
  } else if (changes.size !== undefined) {
    if (complete.input !== null && complete.input.length * complete.size[0] * complete.size[1] > MAX_NUMBERS) {
      throw new RangeError(`a grid of ${complete.size.join("\u00d7")} is too large for a page`);
    }
    complete = changeInputSize(complete, complete.size);
  }
  const problem = findProblem(complete);
  if (problem !== "") throw new RangeError(problem.replace(/\.$/, ""));
  return limitPosition(complete);
}
