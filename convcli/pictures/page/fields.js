// Fields of the controls: what each shows of a state, and how what is typed changes the state.

import { inputChannels } from "./arithmetic.js";
import { make, setAttribute, setText } from "./dom.js";
import { MAX_NUMBERS, MAX_SIDE, changeInputSize, changeKernelSize } from "./state.js";
import { readNumber } from "./text.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Pair} Pair */

/**
 * A control of one value.
 * @typedef {object} Field
 * @property {HTMLElement} element The control with its label and the place for a problem.
 * @property {HTMLInputElement | HTMLSelectElement} control
 * @property {(state: State) => string} write What the control shows of a state.
 * @property {(text: string, state: State) => State} read Throws a RangeError with a sentence.
 * @property {(problem: string) => void} tell Show what is wrong, or "".
 */

let count = 0;

/**
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @param {string} label
 * @param {Pick<Field, "write" | "read">} conversion
 * @param {string} [className]
 * @returns {Field}
 */
export function makeField(control, label, conversion, className = "field") {
  count += 1;
  const problem = make("p", { className: "problem", id: `problem-${count}`, hidden: true });
  control.id = `control-${count}`;
  setAttribute(control, "aria-describedby", problem.id);
  const name = make("label", { htmlFor: control.id }, label);
  const isBox = control.type === "checkbox";
  const element = make("div", { className: isBox ? "field field-box" : className }, ...(isBox ? [control, name] : [name, control]), problem);
  /** @param {string} text */
  const tell = (text) => {
    problem.hidden = text === "";
    setText(problem, text);
    setAttribute(control, "aria-invalid", text === "" ? null : "true");
  };
  return { element, control, ...conversion, tell };
}

/** Text of a control: "1" or "0" of a box. @param {Field["control"]} control */
export function readControl(control) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") return control.checked ? "1" : "0";
  return control.value;
}

/** @param {Field["control"]} control @param {string} text */
export function writeControl(control, text) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = text === "1";
  else if (control.value !== text) control.value = text;
}

/**
 * A box that is on or off.
 * @param {"flip" | "ceil" | "countPadding" | "relu"} name
 * @param {string} label
 */
export function makeBox(name, label) {
  return makeField(make("input", { type: "checkbox" }), label, {
    write: (state) => (state[name] ? "1" : "0"),
    read: (text, state) => ({ ...state, [name]: text === "1" }),
  });
}

/**
 * A menu.
 * @param {string} label
 * @param {[string, string][]} choices Values and what the menu calls them.
 * @param {Pick<Field, "write" | "read">} conversion
 */
export function makeMenu(label, choices, conversion) {
  const options = choices.map(([value, text]) => make("option", { value }, text));
  return makeField(make("select", {}, ...options), label, conversion);
}

/**
 * @param {string} text
 * @param {string} name
 * @param {number} least
 * @param {number} [most]
 */
function readWhole(text, name, least, most = MAX_SIDE) {
  const number = /^\s*\d{1,6}\s*$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  const typed = text.trim() === "" ? "nothing" : `\u201c${text.trim().slice(0, 20)}\u201d`;
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${typed}.`);
}

/**
 * A field of a number, with an optional limit.
 * @param {string} label
 * @param {string} name What a problem calls it.
 * @param {(state: State) => number} get
 * @param {(state: State, value: number) => State} set
 */
export function makeNumberField(label, name, get, set) {
  return makeField(make("input", { type: "text", inputMode: "decimal", autocomplete: "off" }), label, {
    write: (state) => String(get(state)),
    read: (text, state) => {
      const value = readNumber(text);
      if (Number.isNaN(value)) throw new RangeError(`${name} must be a number, not \u201c${text.slice(0, 20)}\u201d.`);
      return set(state, value);
    },
  });
}

/**
 * A setting of rows and of columns.
 * @typedef {object} PairSetting
 * @property {string} name
 * @property {string} symbol
 * @property {number} least
 * @property {number} [most]
 * @property {(state: State) => number[]} get Rows, columns.
 * @property {(state: State, values: number[]) => State} set
 * @property {(state: State, value: number) => State} [setAll] Where it is the same on all sides.
 */

/** @type {PairSetting[]} */
export const PAIR_SETTINGS = [
  { name: "Input", symbol: "i", least: 1, get: (state) => state.size, set: setSize },
  {
    name: "Kernel", symbol: "k", least: 1, most: 101,
    get: (state) => state.kernel,
    set: (state, values) => changeKernelSize(state, toPair(values)),
  },
  {
    name: "Stride", symbol: "s", least: 1,
    get: (state) => state.stride,
    set: (state, values) => ({ ...state, stride: toPair(values) }),
  },
  {
    name: "Dilation", symbol: "d", least: 1,
    get: (state) => state.dilation,
    set: (state, values) => ({ ...state, dilation: toPair(values) }),
  },
  {
    name: "Padding before", symbol: "p", least: 0,
    get: ({ padding }) => [padding[0][0], padding[1][0]],
    set: (state, [top, left]) => ({
      ...state, padding: [[top, state.padding[0][1]], [left, state.padding[1][1]]],
    }),
    setAll: (state, value) => ({ ...state, padding: [[value, value], [value, value]] }),
  },
  {
    name: "Padding after", symbol: "p", least: 0,
    get: ({ padding }) => [padding[0][1], padding[1][1]],
    set: (state, [bottom, right]) => ({
      ...state, padding: [[state.padding[0][0], bottom], [state.padding[1][0], right]],
    }),
  },
  {
    name: "Output padding", symbol: "o", least: 0,
    get: (state) => state.outputPadding,
    set: (state, values) => ({ ...state, outputPadding: toPair(values) }),
  },
];

/** @param {number[]} values @returns {Pair} */
function toPair([first, second]) {
  return [first, second];
}

/** @param {State} state @param {number[]} values */
function setSize(state, values) {
  const numbers = state.input === null ? 0 : inputChannels(state) * values[0] * values[1];
  if (numbers > MAX_NUMBERS) {
    throw new RangeError(`A grid of ${values.join("\u00d7")} is too large for a page: clear its numbers first.`);
  }
  return changeInputSize(state, toPair(values));
}

/**
 * A field of one axis of a setting.
 * @param {PairSetting} setting
 * @param {0 | 1} axis
 * @param {() => boolean} isLinked Whether it sets the other axis, too.
 */
export function makeAxisField(setting, axis, isLinked) {
  const axisName = axis === 0 ? "rows" : "columns";
  const { name, least, most } = setting;
  return makeField(
    make("input", { type: "text", inputMode: "numeric", autocomplete: "off", "data-setting": `${name} ${axisName}` }),
    `${name}, ${axisName}`,
    {
      write: (state) => String(setting.get(state)[axis]),
      read: (text, state) => {
        const value = readWhole(text, name, least, most);
        const values = [...setting.get(state)];
        values[axis] = value;
        if (!isLinked() || name === "Input") return setting.set(state, values);
        return setting.setAll?.(state, value) ?? setting.set(state, [value, value]);
      },
    },
    "field field-axis",
  );
}
