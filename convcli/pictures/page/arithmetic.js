// The arithmetic of windows: sizes, outputs, and what each output is computed from. No DOM.

import { parseLayer } from "./notation.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").LayerSettings} LayerSettings */
/** @typedef {import("./types.d.ts").Maps} Maps */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./types.d.ts").Tap} Tap */
/** @typedef {import("./types.d.ts").Step} Step */
/** @typedef {import("./types.d.ts").Position} Position */
/** @typedef {import("./types.d.ts").OutputPosition} OutputPosition */
/** @typedef {import("./types.d.ts").Field} Field */

/**
 * A window over an input along one axis.
 * @typedef {object} Axis
 * @property {number} size
 * @property {number} kernel
 * @property {number} stride
 * @property {number} before
 * @property {number} after
 * @property {number} dilation
 * @property {number} outputPadding
 * @property {boolean} isTransposed
 * @property {boolean} isCeil
 */

/** @typedef {Omit<LayerSettings, "mode">} WindowSettings */

const OPERATIONS = ["conv", "tconv", "maxpool", "avgpool"];

/** @param {State["op"]} op */
export function isPool(op) {
  return op === "maxpool" || op === "avgpool";
}

/**
 * Return both axes of a window.
 * @param {WindowSettings} settings
 * @returns {[Axis, Axis]}
 */
export function makeAxes(settings) {
  const { op, kernel, stride, padding, dilation, outputPadding, ceil, size } = settings;
  const isTransposed = op === "tconv";
  /** @param {0 | 1} axis */
  const makeAxis = (axis) => ({
    size: size[axis],
    kernel: kernel[axis],
    stride: stride[axis],
    before: padding[axis][0],
    after: padding[axis][1],
    dilation: dilation[axis],
    outputPadding: isTransposed ? outputPadding[axis] : 0,
    isTransposed,
    isCeil: isPool(op) && ceil,
  });
  return [makeAxis(0), makeAxis(1)];
}

/** The extent of a window: d(k - 1) + 1. @param {Axis} axis */
export function effectiveKernel(axis) {
  return axis.dilation * (axis.kernel - 1) + 1;
}

/** The largest offset of the window in the padded input. @param {Axis} axis */
function findSlack(axis) {
  return axis.size + axis.before + axis.after - effectiveKernel(axis);
}

/** The output size along an axis; below 1 where no window fits. @param {Axis} axis */
export function axisOutput(axis) {
  if (axis.isTransposed) {
    const full = (axis.size - 1) * axis.stride + effectiveKernel(axis);
    return full - axis.before - axis.after + axis.outputPadding;
  }
  const slack = findSlack(axis);
  if (!axis.isCeil) return Math.floor(slack / axis.stride) + 1;
  const steps = Math.ceil(slack / axis.stride);
  // The last window must start inside the input or the padding before it.
  return steps + (steps * axis.stride < axis.size + axis.before ? 1 : 0);
}

/**
 * Return the output's (height, width); below 1 where no window fits.
 * @param {WindowSettings} settings
 * @returns {Pair}
 */
export function outputSize(settings) {
  const [rows, columns] = makeAxes(settings);
  return [axisOutput(rows), axisOutput(columns)];
}

/**
 * Return the formula of the output size of each axis, with its numbers and its result.
 * @param {WindowSettings} settings
 * @returns {[string, string]}
 */
export function sizeFormula(settings) {
  /** @param {Axis} axis */
  const write = (axis) => {
    const { size, kernel, stride, before, after, dilation, outputPadding } = axis;
    const result = axisOutput(axis);
    if (axis.isTransposed) {
      return (
        `(${size} - 1)*${stride} - ${before} - ${after} + ${dilation}*(${kernel} - 1)` +
        ` + ${outputPadding} + 1 = ${result}`
      );
    }
    const sum = `${size} + ${before} + ${after} - ${dilation}*(${kernel} - 1) - 1`;
    const formula = `${axis.isCeil ? "ceil" : "floor"}((${sum}) / ${stride}) + 1`;
    const slack = findSlack(axis);
    const isCut = axis.isCeil && result !== Math.ceil(slack / axis.stride) + 1;
    return isCut ? `${formula} - 1 = ${result}` : `${formula} = ${result}`;
  };
  const [rows, columns] = makeAxes(settings);
  return [write(rows), write(columns)];
}

/**
 * Return the rows and columns at the ends of the padded input that no window covers.
 * @param {WindowSettings} settings
 * @returns {Pair}
 */
export function droppedRows(settings) {
  /** @param {Axis} axis */
  const dropped = (axis) =>
    axis.isTransposed ? 0 : Math.max(findSlack(axis) - (axisOutput(axis) - 1) * axis.stride, 0);
  const [rows, columns] = makeAxes(settings);
  return [dropped(rows), dropped(columns)];
}

/** The value of a constant padding mode, or null for a mode that copies. @param {string} mode */
export function paddingValue(mode) {
  if (mode === "zero") return 0;
  return mode.startsWith("constant:") ? Number(mode.slice("constant:".length)) : null;
}

/**
 * Return the index of the input that stands at a position, or -1 for a constant.
 * @param {number} position Below 0 and from the size on it is padding.
 * @param {number} size
 * @param {string} mode
 */
export function sourceIndex(position, size, mode) {
  if (position >= 0 && position < size) return position;
  if (mode === "replicate") return position < 0 ? 0 : size - 1;
  if (mode === "circular") return modulo(position, size);
  if (mode === "reflect") {
    if (size === 1) return 0;
    const place = modulo(position, 2 * size - 2);
    return place < size ? place : 2 * size - 2 - place;
  }
  if (mode === "symmetric") {
    const place = modulo(position, 2 * size);
    return place < size ? place : 2 * size - 1 - place;
  }
  return -1;
}

/** @param {number} value @param {number} divisor */
function modulo(value, divisor) {
  return ((value % divisor) + divisor) % divisor;
}

/**
 * What a tap of one axis touches: the position, the input there or -1, and the index of the weight.
 * @typedef {object} AxisTap
 * @property {number} position
 * @property {number} source
 * @property {number} weight
 * @property {boolean} isCounted Whether an average counts it, padding included or not.
 * @property {boolean} isBeyond Whether it lies beyond the padding, where a ceil pool reaches.
 */

/**
 * Return the taps of every output along an axis, by output.
 * @param {Axis} axis
 * @param {State} state
 * @returns {AxisTap[][]}
 */
function listTaps(axis, state) {
  return Array.from({ length: Math.max(axisOutput(axis), 0) }, (_, output) =>
    listOutputTaps(axis, output, state),
  );
}

/**
 * Return the taps of one output along an axis, in the order of their positions.
 * @param {Axis} axis
 * @param {number} output
 * @param {Pick<State, "op" | "mode"> & Partial<Pick<State, "flip" | "countPadding">>} state
 * @returns {AxisTap[]}
 */
function listOutputTaps(axis, output, state) {
  const { kernel, stride, dilation, before, after, size } = axis;
  const isCopied = state.op === "conv";
  /** @type {AxisTap[]} */
  const taps = [];
  for (let index = 0; index < kernel; index += 1) {
    let position = output * stride - before + index * dilation;
    let weight = index;
    if (axis.isTransposed) {
      // The input at `position` adds weight k to the output at position * s - before + k * d.
      weight = kernel - 1 - index;
      const offset = output + before - weight * dilation;
      if (modulo(offset, stride) !== 0) continue;
      position = offset / stride;
    }
    taps.push({
      position,
      source: sourceIndex(position, size, isCopied ? state.mode : "zero"),
      weight: state.flip && !isPool(state.op) ? kernel - 1 - weight : weight,
      isCounted: state.countPadding === true || (position >= 0 && position < size),
      isBeyond: position >= size + after,
    });
  }
  return taps;
}

/** The channels of the input: those of its maps, or of the weights. @param {State} state */
export function inputChannels(state) {
  if (state.input !== null) return state.input.length;
  return isPool(state.op) || state.weights.length === 0 ? 1 : state.weights[0].length;
}

/** Whether each channel is filtered by itself, with the same weights. @param {State} state */
export function isPerChannel(state) {
  return isPool(state.op) || (state.weights.length === 1 && state.weights[0].length === 1);
}

/** The number of output maps. @param {State} state */
export function outputChannels(state) {
  return isPerChannel(state) ? inputChannels(state) : state.weights.length;
}

/**
 * Return the input channels that an output map is computed from, each with its plane of weights.
 * @param {State} state
 * @param {number} channel Of the output.
 * @returns {{channel: number, plane: number[][]}[]}
 */
export function listPlanes(state, channel) {
  if (isPerChannel(state)) return [{ channel, plane: state.weights[0]?.[0] ?? [] }];
  const planes = state.weights[channel];
  const groups = inputChannels(state) / planes.length;
  const first = Math.floor(channel / (state.weights.length / groups)) * planes.length;
  return planes.map((plane, index) => ({ channel: first + index, plane }));
}

/** Say why the weights do not fit the input, or return "". @param {State} state */
export function findMisfit(state) {
  const channels = inputChannels(state);
  if (!OPERATIONS.includes(state.op)) return `there is no operation ${state.op}`;
  if (isPerChannel(state)) return "";
  const planes = state.weights[0].length;
  const groups = channels / planes;
  if (channels % planes !== 0 || state.weights.length % groups !== 0) {
    return `the kernel sums over ${planes} channels; the input has ${channels}`;
  }
  return "";
}

/** @param {State} state @param {number} channel */
function findBias(state, channel) {
  return isPool(state.op) ? 0 : state.bias + (state.mapBiases[channel] ?? 0);
}

/**
 * Compute all outputs, (C, H, W).
 * @param {State} state Its input is not null.
 * @returns {Maps}
 */
export function computeOutputs(state) {
  const [rowAxis, columnAxis] = makeAxes(state);
  const rows = listTaps(rowAxis, state);
  const columns = listTaps(columnAxis, state);
  return Array.from({ length: outputChannels(state) }, (_, channel) => {
    const planes = listPlanes(state, channel);
    return rows.map((rowTaps) =>
      columns.map((columnTaps) => computeOne(state, channel, planes, rowTaps, columnTaps)),
    );
  });
}

/**
 * @param {State} state
 * @param {number} channel
 * @param {{channel: number, plane: number[][]}[]} planes
 * @param {AxisTap[]} rowTaps
 * @param {AxisTap[]} columnTaps
 */
function computeOne(state, channel, planes, rowTaps, columnTaps) {
  const input = /** @type {Maps} */ (state.input);
  const isMaximum = state.op === "maxpool";
  const constant = state.op === "conv" ? paddingValue(state.mode) ?? 0 : 0;
  let sum = isMaximum ? -Infinity : 0;
  for (const { channel: source, plane } of planes) {
    const map = input[source];
    for (const rowTap of rowTaps) {
      const line = rowTap.source < 0 ? null : map[rowTap.source];
      const weights = plane[rowTap.weight];
      for (const columnTap of columnTaps) {
        const isConstant = line === null || columnTap.source < 0;
        if (isMaximum) {
          if (!isConstant) sum = Math.max(sum, line[columnTap.source]);
        } else {
          const value = isConstant ? constant : line[columnTap.source];
          sum += state.op === "avgpool" ? value : value * weights[columnTap.weight];
        }
      }
    }
  }
  return finish(state, channel, sum, findDivisor(state, rowTaps, columnTaps));
}

/**
 * The divisor of an average, at least 1; 1 for anything else.
 * @param {State} state
 * @param {AxisTap[]} rowTaps
 * @param {AxisTap[]} columnTaps
 */
function findDivisor(state, rowTaps, columnTaps) {
  if (state.op !== "avgpool") return 1;
  return Math.max(countTaps(rowTaps) * countTaps(columnTaps), 1);
}

/** @param {AxisTap[]} taps */
function countTaps(taps) {
  return taps.filter((tap) => tap.isCounted && !tap.isBeyond).length;
}

/** @param {State} state @param {number} channel @param {number} sum @param {number} divisor */
function finish(state, channel, sum, divisor) {
  const value = sum / divisor + findBias(state, channel);
  return state.relu ? Math.max(value, 0) : value;
}

/**
 * Explain how an output is computed.
 * @param {State} state Its input is not null.
 * @param {OutputPosition} at
 * @returns {Step}
 */
export function explainOutput(state, at) {
  const input = /** @type {Maps} */ (state.input);
  const [rowAxis, columnAxis] = makeAxes(state);
  const rowTaps = listOutputTaps(rowAxis, at.row, state);
  const columnTaps = listOutputTaps(columnAxis, at.column, state);
  const isMaximum = state.op === "maxpool";
  const constant = state.op === "conv" ? paddingValue(state.mode) ?? 0 : isMaximum ? -Infinity : 0;
  /** @type {Tap[]} */
  const taps = [];
  const sums = listPlanes(state, at.channel).map(({ channel, plane }) => {
    let sum = isMaximum ? -Infinity : 0;
    for (const rowTap of rowTaps) {
      for (const columnTap of columnTaps) {
        const isConstant = rowTap.source < 0 || columnTap.source < 0;
        const value = isConstant ? constant : input[channel][rowTap.source][columnTap.source];
        const weight = isPool(state.op) ? 1 : plane[rowTap.weight][columnTap.weight];
        const product = isPool(state.op) ? value : value * weight;
        sum = isMaximum ? Math.max(sum, product) : sum + product;
        taps.push({
          channel,
          row: rowTap.position,
          column: columnTap.position,
          isPadding: !isInside(rowTap, rowAxis) || !isInside(columnTap, columnAxis),
          isCounted: isCounted(state, rowTap, rowAxis) && isCounted(state, columnTap, columnAxis),
          value,
          weight,
          product,
          kernelRow: rowTap.weight,
          kernelColumn: columnTap.weight,
        });
      }
    }
    return sum;
  });
  const sum = isMaximum ? Math.max(...sums) : sums.reduce((total, part) => total + part, 0);
  const divisor = findDivisor(state, rowTaps, columnTaps);
  const bias = findBias(state, at.channel);
  return { taps, sums, sum, divisor, bias, value: finish(state, at.channel, sum, divisor) };
}

/** @param {AxisTap} tap @param {Axis} axis */
function isInside(tap, axis) {
  return tap.position >= 0 && tap.position < axis.size;
}

/** @param {State} state @param {AxisTap} tap @param {Axis} axis */
function isCounted(state, tap, axis) {
  if (state.op === "maxpool") return isInside(tap, axis);
  return state.op !== "avgpool" || (tap.isCounted && !tap.isBeyond);
}

/**
 * Return the outputs that an input feeds, also as a copy of it in the padding.
 * @param {State} state
 * @param {Position} input
 * @returns {Position[]}
 */
export function findOutputs(state, input) {
  const [rows, columns] = makeAxes(state).map((axis, index) => {
    const place = index === 0 ? input.row : input.column;
    return listTaps(axis, state).flatMap((taps, output) =>
      taps.some((tap) => tap.source === place) ? [output] : [],
    );
  });
  return combine(rows, columns);
}

/**
 * Return the inputs that a weight meets, each once; padding is left out.
 * @param {State} state
 * @param {{kernelRow: number, kernelColumn: number}} weight
 * @returns {Position[]}
 */
export function findInputs(state, weight) {
  const [rows, columns] = makeAxes(state).map((axis, index) => {
    const place = index === 0 ? weight.kernelRow : weight.kernelColumn;
    const met = listTaps(axis, state)
      .flat()
      .filter((tap) => tap.weight === place && isInside(tap, axis))
      .map((tap) => tap.position);
    return [...new Set(met)].sort((a, b) => a - b);
  });
  return combine(rows, columns);
}

/** @param {number[]} rows @param {number[]} columns @returns {Position[]} */
function combine(rows, columns) {
  return rows.flatMap((row) => columns.map((column) => ({ row, column })));
}

/**
 * Map values to the levels of an 8-bit picture by a range policy, as `apply --range` does.
 * @param {Maps} maps
 * @param {State["range"]} range "none" is "clamp" here.
 * @returns {Maps}
 */
export function toLevels(maps, range) {
  const { low, high } = range === "rescale" ? findBounds(maps) : { low: 0, high: 255 };
  /** @param {number} value */
  const level = (value) => {
    if (range === "rescale") return high > low ? ((value - low) / (high - low)) * 255 : 128;
    if (range === "abs") return Math.abs(value);
    return range === "offset" ? value + 128 : value;
  };
  return maps.map((map) =>
    map.map((row) => row.map((value) => roundHalfEven(Math.min(Math.max(level(value), 0), 255)))),
  );
}

/** Return the smallest and the largest value. @param {Maps} maps */
export function findBounds(maps) {
  let low = Infinity;
  let high = -Infinity;
  for (const map of maps) {
    for (const row of map) {
      for (const value of row) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  return { low, high };
}

/** @param {number} value */
function roundHalfEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/**
 * A layer of the stack: its notation, its settings (null for one on each value), its output's size.
 * @typedef {object} StackLayer
 * @property {string} name
 * @property {LayerSettings | null} settings
 * @property {Pair} size
 */

/**
 * Return the page's own layer and those after it, each with the size of its output.
 * @param {State} state
 * @returns {StackLayer[]}
 * @throws {Error} For a layer that cannot be read, or whose output is empty.
 */
export function listLayers(state) {
  let size = outputSize(state);
  const own = isPool(state.op) ? { ...state, mode: "zero" } : state;
  /** @type {StackLayer[]} */
  const layers = [{ name: state.op, settings: own, size }];
  for (const name of state.layers) {
    const settings = parseLayer(name, size);
    if (settings !== null) size = outputSize(settings);
    if (Math.min(...size) < 1) throw new Error(`${name}: its output is empty`);
    layers.push({ name, settings, size });
  }
  return layers;
}

/**
 * Walk the receptive field of an output of the last layer back to the input.
 *
 * The first of the fields is the output itself, the last lies in the input of the page. Positions
 * outside of a map are padding; where a layer sees padding alone, fields before it are empty:
 * their first position is after their last.
 * @param {State} state
 * @param {Position} at
 * @returns {Field[]}
 */
export function traceBack(state, at) {
  const layers = listLayers(state);
  const last = layers[layers.length - 1];
  /** @type {Field} */
  let field = {
    name: last.name, size: last.size, rows: [at.row, at.row], columns: [at.column, at.column],
  };
  const fields = [field];
  for (let index = layers.length - 1; index >= 0; index -= 1) {
    const { settings } = layers[index];
    const name = index > 0 ? layers[index - 1].name : "input";
    if (settings === null) {
      field = { ...field, name };
    } else {
      const [rowAxis, columnAxis] = makeAxes(settings);
      const rows = traceAxis(rowAxis, settings, keepInside(field.rows, field.size[0], layers, index));
      const inner = keepInside(field.columns, field.size[1], layers, index);
      const columns = traceAxis(columnAxis, settings, inner);
      field = { name, size: settings.size, rows, columns };
    }
    fields.push(field);
  }
  return fields;
}

/**
 * Return the positions inside of a map that a span of positions stands for: copies of a border
 * stand for what they copy.
 * @param {Pair} span
 * @param {number} size
 * @param {StackLayer[]} layers
 * @param {number} index Of the layer whose output the map is; the next one with a window saw it.
 * @returns {Pair}
 */
function keepInside(span, size, layers, index) {
  const reader = layers.slice(index + 1).find((layer) => layer.settings !== null)?.settings;
  const mode = reader?.op === "conv" ? reader.mode : "zero";
  const sources = [];
  for (let position = span[0]; position <= span[1]; position += 1) {
    const source = sourceIndex(position, size, mode);
    if (source >= 0) sources.push(source);
  }
  return bound(sources);
}

/** @param {number[]} positions @returns {Pair} */
function bound(positions) {
  if (positions.length === 0) return [0, -1];
  return [Math.min(...positions), Math.max(...positions)];
}

/**
 * @param {Axis} axis
 * @param {LayerSettings} settings
 * @param {Pair} outputs First and last.
 * @returns {Pair}
 */
function traceAxis(axis, settings, [first, last]) {
  if (first > last) return [0, -1];
  if (!axis.isTransposed) {
    const start = first * axis.stride - axis.before;
    return [start, last * axis.stride - axis.before + effectiveKernel(axis) - 1];
  }
  const positions = [];
  for (let output = first; output <= last; output += 1) {
    positions.push(...listOutputTaps(axis, output, settings).map((tap) => tap.position));
  }
  return bound(positions);
}
