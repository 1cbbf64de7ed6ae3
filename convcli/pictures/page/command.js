// The command of convcli, and the PyTorch code, that compute what the page shows. No DOM.

import {
  axisOutput, effectiveKernel, inputChannels, isPerChannel, isPool, makeAxes, outputChannels,
  paddingValue, sourceIndex,
} from "./arithmetic.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").PageData} PageData */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").Maps} Maps */

const MAX_TYPED_NUMBERS = 4096; // of an input that is not INPUT's any more
const STDIN = "-";

/**
 * Return the command that prints the numbers of the state's step, or, without numbers, its sizes.
 * `explain` has no ReLU, so that all outputs are printed where one follows.
 * @param {State} state
 * @param {PageData} data
 * @returns {string | null} null where no command computes it.
 */
export function makeCommand(state, data) {
  if (state.input === null) return makeShapeCommand(state);
  return state.relu ? makeApplyCommand(state, data) : makeExplainCommand(state, data);
}

/** @param {State} state @param {PageData} data @returns {string | null} */
function makeExplainCommand(state, data) {
  const source = makeSource(state, data);
  const kernel = makeKernel(state, data);
  if (source === null || kernel === null) return null;
  const position = ["--at", `${state.at.row},${state.at.column}`];
  const words = ["convcli", "explain", source.name, ...kernel.words, ...position];
  return kernel.before + source.before + joinWords(words);
}

/**
 * Return the command that prints all outputs, or null where no command does.
 * @param {State} state
 * @param {PageData} data
 * @returns {string | null}
 */
function makeApplyCommand(state, data) {
  const source = state.input === null ? null : makeSource(state, data);
  const isTransposed = state.op === "tconv";
  const kernel = isTransposed ? null : makeKernel(state, data);
  if (source === null || (kernel === null && !isTransposed)) return null;
  let words = kernel?.words ?? [];
  if (isPool(state.op)) words = ["-l", writePoolLayer(state)];
  if (isTransposed) {
    if (!isPerChannel(state) || state.bias !== 0) return null;
    words = ["-l", writeTransposedLayer(state)];
  }
  const activation = !state.relu ? [] : isTransposed || isPool(state.op)
    ? ["-l", "relu"] : ["--activation", "relu"];
  const all = ["convcli", "apply", source.name, ...words, ...activation, "--print"];
  return (kernel?.before ?? "") + source.before + joinWords(all);
}

/** @param {State} state */
function makeShapeCommand(state) {
  const { size, ceil, countPadding, layers } = state;
  if (layers.length === 0) {
    const words = ["convcli", "shape", "--h", `${size[0]}`, "--w", `${size[1]}`];
    const isRounded = isPool(state.op) && ceil;
    if (!isPool(state.op)) return joinWords([...words, ...writeSizeWords(state)]);
    const pool = ["--pool", state.op.replace("pool", ""), "--k", writePair(state.kernel)];
    const window = ["--s", writePair(state.stride), ...writePaddingAndDilation(state)];
    return joinWords([...words, ...pool, ...window, ...(isRounded ? ["--ceil"] : [])]);
  }
  const own = isPool(state.op)
    ? writePoolLayer({ ...state, ceil, countPadding })
    : `${state.op}:${writeLayerItems(state, writePair(state.kernel), "1").join(",")}`;
  const shape = `${inputChannels(state)}x${size[0]}x${size[1]}`;
  return joinWords(["convcli", "shape", "--input", shape, own, ...layers]);
}

/** The words of a kernel's size and window, as `shape` takes. @param {State} state */
function writeSizeWords(state) {
  if (isPool(state.op)) return ["--pool", writePoolLayer(state).replace("pool:", ":")];
  const words = ["--k", writePair(state.kernel)];
  if (!isOne(state.stride)) words.push("--s", writePair(state.stride));
  return [...words, ...writePaddingAndDilation(state), ...writeTransposedWords(state)];
}

/** @param {State} state */
function writePaddingAndDilation(state) {
  const words = [];
  if (hasPadding(state)) words.push("--p", writePadding(state.padding));
  if (!isOne(state.dilation)) words.push("--d", writePair(state.dilation));
  return words;
}

/** @param {State} state */
function writeTransposedWords(state) {
  if (state.op !== "tconv") return [];
  const added = state.outputPadding;
  const words = added[0] || added[1] ? ["--output-padding", writePair(added)] : [];
  return ["--transposed", ...words];
}

/** @param {State} state */
function hasPadding(state) {
  return state.padding.flat().some((side) => side > 0);
}

/** @param {Pair} pair */
function isOne(pair) {
  return pair[0] === 1 && pair[1] === 1;
}

/** @param {Pair} pair */
function writePair([height, width]) {
  return height === width ? `${height}` : `${height}x${width}`;
}

/** @param {[Pair, Pair]} padding */
function writePadding([[top, bottom], [left, right]]) {
  if (top === bottom && left === right) return writePair([top, left]);
  return [top, bottom, left, right].join(".");
}

/**
 * The items of a layer in the notation: its argument, and what is not the default.
 * @param {State} state
 * @param {string} argument
 * @param {string} stride The default of the stride, written.
 */
function writeLayerItems(state, argument, stride) {
  const items = argument === "" ? [] : [argument];
  if (writePair(state.stride) !== stride) items.push(`s=${writePair(state.stride)}`);
  if (hasPadding(state) || argument === "") items.push(`p=${writePadding(state.padding)}`);
  if (!isOne(state.dilation)) items.push(`d=${writePair(state.dilation)}`);
  const added = state.outputPadding;
  if (state.op === "tconv" && (added[0] || added[1])) items.push(`op=${writePair(added)}`);
  if (state.op === "conv" && hasPadding(state) && state.mode !== "zero") {
    items.push(`mode=${state.mode}`);
  }
  return items;
}

/** @param {State} state */
function writePoolLayer(state) {
  const size = writePair(state.kernel);
  const items = writeLayerItems(state, size, size);
  if (state.ceil) items.push("ceil");
  if (state.op === "avgpool" && !state.countPadding) items.push("nopad");
  return `${state.op}:${items.join(",")}`;
}

/** @param {State} state */
function writeTransposedLayer(state) {
  const rows = state.weights[0][0];
  const plane = state.flip ? [...rows].reverse().map((row) => [...row].reverse()) : rows;
  const items = writeLayerItems(state, "", "1");
  return `tconv:${[`kernel=${writeMatrix(plane)}`, ...items].join(",")}`;
}

/**
 * The words of a kernel and its window, and what has to run before.
 * @param {State} state
 * @param {PageData} data
 * @returns {{before: string, words: string[]} | null} null where no file holds such weights.
 */
function makeKernel(state, data) {
  if (isPool(state.op)) {
    return { before: "", words: ["--pool", writePoolLayer(state).replace("pool:", ":")] };
  }
  const kernel = findSpec(state, data);
  if (kernel === null) return null;
  const words = ["-k", kernel.spec, "-p", writePadding(state.padding)];
  if (!isOne(state.stride)) words.push("-s", writePair(state.stride));
  if (!isOne(state.dilation)) words.push("-d", writePair(state.dilation));
  if (state.op === "conv" && hasPadding(state)) words.push("--padding-mode", state.mode);
  words.push(...writeTransposedWords(state));
  if (state.flip) words.push("--flip");
  const bias = state.bias - kernel.bias;
  if (bias !== 0) words.push("--bias", `${bias}`);
  return { before: kernel.before, words };
}

/**
 * Return the SPEC of the weights, what makes its file, and the bias that it brings.
 * @param {State} state
 * @param {PageData} data
 * @returns {{before: string, spec: string, bias: number} | null}
 */
function findSpec(state, data) {
  const { weights, mapBiases } = state;
  const original = data.state;
  if (data.spec !== null && isEqual(weights, original.weights)
      && isEqual(mapBiases, original.mapBiases)) {
    return { before: "", spec: data.spec, bias: data.specBias };
  }
  if (mapBiases.some((bias) => bias !== 0)) return null;
  if (isPerChannel(state)) {
    const plane = weights[0][0];
    const known = data.bank.find(({ matrix }) => isEqual(matrix, plane));
    return { before: "", spec: known?.name ?? writeMatrix(plane), bias: 0 };
  }
  if (weights[0].length !== inputChannels(state)) return null; // a file has no groups
  const file = "kernel.json";
  // A transposed convolution has them as (C_in, C_out, kh, kw).
  const ordered = state.op !== "tconv" ? weights
    : weights[0].map((_, channel) => weights.map((planes) => planes[channel]));
  const text = joinWords(["printf", "%s", JSON.stringify(ordered)]);
  return { before: `${text} > ${file} && `, spec: file, bias: 0 };
}

/** Write a matrix as a SPEC. @param {number[][]} rows */
function writeMatrix(rows) {
  if (rows.length === 1 && rows[0].length === 1) return `[${rows[0][0]}]`;
  const text = rows.map((row) => row.join(" ")).join("; ");
  // A row alone that could be anything else is a matrix in brackets.
  return rows.length === 1 || rows[0].length === 1 ? `[${text}]` : text;
}

/**
 * Return the name of the input on the command line, and what writes it to standard input.
 * @param {State} state
 * @param {PageData} data
 * @returns {{before: string, name: string} | null} null for an input too large to be typed.
 */
function makeSource(state, data) {
  const input = /** @type {Maps} */ (state.input);
  if (data.source !== null && data.source !== STDIN && isEqual(input, data.state.input)) {
    const name = data.source.startsWith("-") ? `./${data.source}` : data.source;
    if (data.sourceOptions.length === 0) return { before: "", name };
    const words = ["convcli", "apply", name, ...data.sourceOptions, "-k", "identity", "-o", STDIN];
    return { before: `${joinWords(words)} | `, name: STDIN };
  }
  if (input.length * input[0].length * input[0][0].length > MAX_TYPED_NUMBERS) return null;
  if (input.length > 1) {
    const words = joinWords(["printf", "%s", encodeNpy(input)]);
    return { before: `${words} | base64 -d | `, name: STDIN };
  }
  const text = input[0].map((row) => row.join(",")).join("\\n");
  return { before: `printf %b '${text}\\n' | `, name: STDIN }; // which may begin with a minus
}

/** Write maps, (C, H, W), as an .npy file of (H, W, C) in base 64. @param {Maps} maps */
function encodeNpy(maps) {
  const [channels, height, width] = [maps.length, maps[0].length, maps[0][0].length];
  const start = `{'descr': '<f8', 'fortran_order': False, 'shape': (${height}, ${width}, ${channels}), }`;
  const header = `${start.padEnd(117, " ")}\n`; // 10 + 118 bytes: a multiple of 64
  const bytes = new Uint8Array(10 + header.length + 8 * channels * height * width);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
  for (let index = 0; index < header.length; index += 1) {
    bytes[10 + index] = header.charCodeAt(index);
  }
  const view = new DataView(bytes.buffer, 10 + header.length);
  let offset = 0;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        view.setFloat64(offset, maps[channel][row][column], true);
        offset += 8;
      }
    }
  }
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {unknown} first @param {unknown} second */
function isEqual(first, second) {
  return first === second || JSON.stringify(first) === JSON.stringify(second);
}

/** Join words to a line that a POSIX shell, or bash, reads as these words. @param {string[]} words */
export function joinWords(words) {
  return words.map(quoteWord).join(" ");
}

/** @param {string} word */
function quoteWord(word) {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  // Control characters, and bytes of a name that are no UTF-8, which Python has as U+DC80..U+DCFF.
  const isPlain = !/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/u.test(word);
  if (isPlain) return `'${word.replaceAll("'", "'\\''")}'`;
  let text = "";
  for (const character of word) {
    const code = /** @type {number} */ (character.codePointAt(0));
    if (code >= 0xdc80 && code <= 0xdcff) text += `\\x${(code - 0xdc00).toString(16)}`;
    else if (code < 0x20 || code === 0x7f) text += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (/[\u0080-\u009f\u2028\u2029\ud800-\udfff]/u.test(character)) text += writeBytes(character);
    else text += "'\\".includes(character) ? `\\${character}` : character;
  }
  return `$'${text}'`;
}

/** The bytes of a character in UTF-8, as escapes. @param {string} character */
function writeBytes(character) {
  return [...new TextEncoder().encode(character)]
    .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`)
    .join("");
}

/**
 * Return an expression of PyTorch that computes all outputs, (1, C, H, W), of an input `x`,
 * (1, C, H, W), of floats, where `F` is torch.nn.functional.
 * @param {State} state
 */
export function makeTorchLine(state) {
  const code = state.op === "conv" ? writeConv(state)
    : state.op === "tconv" ? writeTransposed(state)
    : state.op === "maxpool" ? writeMaximum(state) : writeAverage(state);
  return `y = ${state.relu ? `F.relu(${code})` : code}`;
}

/** The values before `call` needs them, as keywords. @param {Record<string, string | null>} values */
function writeKeywords(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `, ${name}=${value}`)
    .join("");
}

/** @param {Pair} pair @param {number} usual */
function writeTuple([height, width], usual) {
  if (height === usual && width === usual) return null;
  return height === width ? `${height}` : `(${height}, ${width})`;
}

/** @param {State} state @returns {State["weights"]} */
function listFilters(state) {
  const filters = isPerChannel(state)
    ? Array.from({ length: inputChannels(state) }, () => state.weights[0])
    : state.weights;
  if (!state.flip) return filters;
  return filters.map((planes) =>
    planes.map((plane) => [...plane].reverse().map((row) => [...row].reverse())),
  );
}

/** @param {State} state */
function writeBias(state) {
  const biases = Array.from({ length: outputChannels(state) }, (_, channel) =>
    state.bias + (state.mapBiases[channel] ?? 0),
  );
  return biases.some((bias) => bias !== 0) ? writeTensor(biases) : null;
}

/** @param {unknown} values */
function writeTensor(values) {
  const shape = [];
  for (let part = values; Array.isArray(part); part = part[0]) shape.push(part.length);
  const isOnes = Array.isArray(values) && values.flat(Infinity).every((value) => value === 1);
  if (isOnes) return `x.new_ones(${shape.join(", ")})`;
  return `torch.tensor(${JSON.stringify(values)}, dtype=x.dtype)`;
}

/** @param {State} state */
function countGroups(state) {
  return inputChannels(state) / listFilters(state)[0].length;
}

/** @param {State} state */
function writeConv(state) {
  const [[top, bottom], [left, right]] = state.padding;
  const isZero = state.mode === "zero" && top === bottom && left === right;
  const keywords = writeKeywords({
    bias: writeBias(state),
    stride: writeTuple(state.stride, 1),
    padding: isZero ? writeTuple([top, left], 0) : null,
    dilation: writeTuple(state.dilation, 1),
    groups: countGroups(state) === 1 ? null : `${countGroups(state)}`,
  });
  const input = isZero || !hasPadding(state) ? "x" : writePad(state);
  return `F.conv2d(${input}, ${writeTensor(listFilters(state))}${keywords})`;
}

/** The padded input. @param {State} state */
function writePad(state) {
  const [[top, bottom], [left, right]] = state.padding;
  const sides = `(${left}, ${right}, ${top}, ${bottom})`;
  const value = paddingValue(state.mode);
  if (value !== null) return `F.pad(x, ${sides}${value === 0 ? "" : `, value=${writeFloat(value)}`})`;
  const most = { reflect: -1, circular: 0, replicate: Infinity }[state.mode];
  const [height, width] = state.size;
  const fits = most !== undefined && Math.max(top, bottom) <= height + most
    && Math.max(left, right) <= width + most;
  if (fits) return `F.pad(x, ${sides}, mode="${state.mode}")`;
  // PyTorch has no symmetric padding, and none that goes around more than once.
  const [rows, columns] = state.size.map((size, axis) => {
    const [before, after] = state.padding[axis];
    const length = before + size + after;
    return Array.from({ length }, (_, index) => sourceIndex(index - before, size, state.mode));
  });
  return `x[:, :, ${JSON.stringify(rows)}][..., ${JSON.stringify(columns)}]`;
}

/** @param {number} value */
function writeFloat(value) {
  return Number.isInteger(value) ? value.toFixed(1) : `${value}`;
}

/** @param {State} state */
function writeTransposed(state) {
  const groups = countGroups(state);
  const filters = listFilters(state);
  const outer = filters.length / groups;
  // PyTorch has them as (C_in, C_out / groups, kh, kw).
  const weights = Array.from({ length: inputChannels(state) }, (_, channel) => {
    const group = Math.floor(channel / filters[0].length);
    const maps = filters.slice(group * outer, (group + 1) * outer);
    return maps.map((planes) => planes[channel % filters[0].length]);
  });
  const [[top, bottom], [left, right]] = state.padding;
  const [rows, columns] = [Math.min(top, bottom), Math.min(left, right)];
  const keywords = writeKeywords({
    bias: writeBias(state),
    stride: writeTuple(state.stride, 1),
    padding: writeTuple([rows, columns], 0),
    output_padding: writeTuple(state.outputPadding, 0),
    groups: groups === 1 ? null : `${groups}`,
    dilation: writeTuple(state.dilation, 1),
  });
  const code = `F.conv_transpose2d(x, ${writeTensor(weights)}${keywords})`;
  if (top === bottom && left === right) return code;
  return `F.pad(${code}, (${columns - left}, ${columns - right}, ${rows - top}, ${rows - bottom}))`;
}

/** Whether PyTorch's own padding of a pool is that of the state. @param {State} state */
function hasTorchPadding(state) {
  return state.padding.every(
    ([before, after], axis) => before === after && 2 * before <= state.kernel[axis],
  );
}

/** @param {State} state */
function writePoolKeywords(state) {
  return {
    stride: writePair(state.stride) === writePair(state.kernel) ? null : writeTuple(state.stride, 0),
    padding: writeTuple([state.padding[0][0], state.padding[1][0]], 0),
    dilation: state.op === "maxpool" ? writeTuple(state.dilation, 1) : null,
    ceil_mode: state.ceil ? "True" : null,
    count_include_pad: state.op === "avgpool" && !state.countPadding ? "False" : null,
  };
}

/** What is to be added at the sides, so that the last window just fits. @param {State} state */
function listReach(state) {
  return makeAxes(state).map((axis) => {
    const last = (axisOutput(axis) - 1) * axis.stride + effectiveKernel(axis);
    return { before: axis.before, after: last - axis.before - axis.size, own: axis.after };
  });
}

/** @param {State} state */
function writeMaximum(state) {
  const size = writeTuple(state.kernel, 0);
  if (hasTorchPadding(state)) {
    return `F.max_pool2d(x, ${size}${writeKeywords(writePoolKeywords(state))})`;
  }
  const [rows, columns] = listReach(state);
  const sides = `(${columns.before}, ${columns.after}, ${rows.before}, ${rows.after})`;
  const none = { ...writePoolKeywords(state), padding: null, ceil_mode: null };
  return `F.max_pool2d(F.pad(x, ${sides}, value=float("-inf")), ${size}${writeKeywords(none)})`;
}

/** @param {State} state */
function writeAverage(state) {
  if (hasTorchPadding(state) && isOne(state.dilation)) {
    const keywords = writeKeywords(writePoolKeywords(state));
    return `F.avg_pool2d(x, ${writeTuple(state.kernel, 0)}${keywords})`;
  }
  // A sum over windows, divided by how many of each window's values count.
  const [rows, columns] = listReach(state);
  const [rowsInside, columnsInside] = [rows, columns].map(({ after, own }) => Math.min(after, own));
  const inside = `(${columns.before}, ${columnsInside}, ${rows.before}, ${rowsInside})`;
  const beyond = `(0, ${columns.after - columnsInside}, 0, ${rows.after - rowsInside})`;
  const channels = inputChannels(state);
  const ones = `x.new_ones(${channels}, 1, ${state.kernel.join(", ")})`;
  const window = writeKeywords({
    stride: writeTuple(state.stride, 1),
    dilation: writeTuple(state.dilation, 1),
    groups: `${channels}`,
  });
  /** @param {string} values @param {number} value */
  const sum = (values, value) =>
    `F.conv2d(F.pad(F.pad(${values}, ${inside}, value=${value}), ${beyond}), ${ones}${window})`;
  const counts = sum("torch.ones_like(x)", state.countPadding ? 1 : 0);
  return `${sum("x", 0)} / ${counts}.clamp(min=1)`;
}
