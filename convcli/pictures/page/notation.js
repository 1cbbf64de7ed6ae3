// Layers in the notation of convcli, of which a stack after the page's own layer is written.

/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").LayerSettings} LayerSettings */

const WINDOWS = ["conv", "tconv", "maxpool", "avgpool"];
// What keeps the size, and sees of its input what it writes.
const ELEMENTWISE = [
  "relu", "relu6", "leaky-relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "hardswish",
  "hardsigmoid", "sigmoid", "tanh", "softplus", "abs", "neg", "exp", "log", "sqrt", "square",
  "clip", "identity", "dropout", "bn", "affine",
];

/**
 * Read a layer over an input of a size.
 * @param {string} text
 * @param {Pair} size
 * @returns {LayerSettings | null} null for a layer that works on each value by itself.
 * @throws {Error} With what is wrong, for people to read.
 */
export function parseLayer(text, size) {
  const [name, ...rest] = text.trim().split(":");
  if (ELEMENTWISE.includes(name)) return null;
  if (!WINDOWS.includes(name)) {
    throw new Error(`${name || "an empty line"} is no layer of a page: ${WINDOWS.join(", ")}, relu`);
  }
  const items = rest.join(":").split(",").map((item) => item.trim());
  /** @type {Map<string, string>} */
  const values = new Map();
  for (const [index, item] of items.entries()) {
    const [key, value] = item.includes("=") ? item.split("=", 2) : index ? [item, ""] : ["k", item];
    values.set(key, value);
  }
  const kernel = parsePair(values.get("k") ?? "", "the window's size k", 1);
  const isPool = name.endsWith("pool");
  const stride = values.has("s") ? parsePair(values.get("s"), "s", 1) : isPool ? kernel : [1, 1];
  const settings = {
    op: /** @type {LayerSettings["op"]} */ (name),
    kernel,
    stride: /** @type {Pair} */ (stride),
    dilation: parsePair(values.get("d") ?? "1", "d", 1),
    outputPadding: parsePair(values.get("op") ?? "0", "op", 0),
    ceil: values.has("ceil"),
    mode: values.get("mode") ?? "zero",
    size,
  };
  return { ...settings, padding: parsePadding(values.get("p") ?? "0", settings) };
}

/** @param {string | undefined} text @param {string} what @param {number} least @returns {Pair} */
function parsePair(text, what, least) {
  const sides = (text ?? "").split("x").map(parseWhole);
  const [height, width] = sides.length === 1 ? [sides[0], sides[0]] : sides;
  if (sides.length > 2 || !(height >= least && width >= least)) {
    throw new Error(`${what} must be N or HxW of at least ${least}, not ${text || "nothing"}`);
  }
  return [height, width];
}

/** @param {string} text */
function parseWhole(text) {
  return /^[0-9]{1,6}$/.test(text) ? Number(text) : NaN;
}

/**
 * @param {string} text
 * @param {Omit<LayerSettings, "padding">} settings
 * @returns {[Pair, Pair]}
 */
function parsePadding(text, settings) {
  if (/^[a-z]/.test(text)) return [namedPadding(text, settings, 0), namedPadding(text, settings, 1)];
  const sides = text.split(".").map(parseWhole);
  if (sides.length === 4 && !sides.some(Number.isNaN)) {
    return [[sides[0], sides[1]], [sides[2], sides[3]]];
  }
  const [height, width] = parsePair(text, "p", 0);
  return [[height, height], [width, width]];
}

/**
 * @param {string} name
 * @param {Omit<LayerSettings, "padding">} settings
 * @param {0 | 1} axis
 * @returns {Pair}
 */
function namedPadding(name, settings, axis) {
  const { kernel, stride, dilation, size } = settings;
  const extent = dilation[axis] * (kernel[axis] - 1) + 1;
  if (name === "valid") return [0, 0];
  if (name === "full") return [extent - 1, extent - 1];
  if (name !== "same" && name !== "same-lower") throw new Error(`p has no name ${name}`);
  const last = Math.floor((size[axis] - 1) / stride[axis]) * stride[axis];
  let total = Math.max(last - (size[axis] - extent), 0);
  if (settings.op === "tconv") {
    total = extent + settings.outputPadding[axis] - stride[axis];
    if (total < 0) throw new Error(`same padding needs a kernel that spans the stride`);
  }
  const less = Math.floor(total / 2);
  return name === "same" ? [less, total - less] : [total - less, less];
}
