// The controls beside the grids: settings of the layer, what follows it, and their problems.

import { droppedRows, effectiveKernel, isPool, makeAxes, sizeFormula } from "./arithmetic.js";
import { make, setText } from "./dom.js";
import { PAIR_SETTINGS, makeAxisField, makeBox, makeField, makeMenu, makeNumberField, readControl, writeControl } from "./fields.js";
import { findProblem } from "./state.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").BankKernel} BankKernel */
/** @typedef {import("./types.d.ts").Pair} Pair */
/** @typedef {import("./fields.js").Field} Field */

/**
 * @typedef {object} Controls
 * @property {HTMLElement} element
 * @property {(state: State, isPicture: boolean) => void} update
 */

/** @type {[string, string][]} */
const OPERATIONS = [
  ["conv", "Convolution"], ["tconv", "Transposed convolution"],
  ["maxpool", "Max pool"], ["avgpool", "Average pool"],
];
/** @type {[string, string][]} */
const MODES = [
  ["zero", "zeros"], ["replicate", "replicate the border"], ["reflect", "reflect"],
  ["symmetric", "symmetric"], ["circular", "circular"], ["constant", "a constant"],
];
/** @type {[string, string][]} */
const RANGES = [
  ["none", "zero-centered colors"], ["clamp", "clamp: 0 to 255"], ["abs", "abs: size of edges"],
  ["offset", "offset: 0 is mid-gray"], ["rescale", "rescale: darkest to brightest"],
];

/**
 * Make the controls.
 * @param {BankKernel[]} bank
 * @param {() => State} getState
 * @param {(state: State) => void} commit
 * @param {() => State} getDefaults
 * @returns {Controls}
 */
export function makeControls(bank, getState, commit, getDefaults) {
  const form = new Form(getState, commit);
  const link = make("input", { type: "checkbox", id: "link-axes" });
  const axes = makeAxisGroup(form, link);
  const operation = form.add(makeMenu("Operation", OPERATIONS, {
    write: (state) => state.op,
    read: (text, state) => ({ ...state, op: /** @type {State["op"]} */ (text) }),
  }));
  const modes = makeModeFields(form);
  const bias = form.add(makeNumberField("Bias", "The bias", (state) => state.bias, (state, value) => ({ ...state, bias: value })));
  const kernels = [form.add(makeBankMenu(bank)), form.add(makeBox("flip", "Flip the kernel (true convolution)")), bias];
  const ceil = form.add(makeBox("ceil", "Ceil: keep a last window that reaches out"));
  const counted = form.add(makeBox("countPadding", "Count padding in the average"));
  const relu = form.add(makeBox("relu", "ReLU: negative sums become 0"));
  const range = form.add(makeMenu("Output shown as", RANGES, {
    write: (state) => state.range,
    read: (text, state) => ({ ...state, range: /** @type {State["range"]} */ (text) }),
  }));
  const layers = form.add(makeLayersField());
  const numbers = make("button", { type: "button", className: "quiet" });
  numbers.addEventListener("click", () => form.change(toggleNumbers));
  const reset = make("button", { type: "button", className: "quiet" }, "Reset all to what the page was made of");
  reset.addEventListener("click", () => form.change(getDefaults));
  const formula = make("div", { className: "formula", id: "size-formula" });
  const element = make(
    "form", { className: "controls", "aria-label": "Settings" },
    makeGroup("Operation", operation.element),
    makeGroup("Sizes", axes.element, makePresets(form), formula, numbers),
    makeGroup("Padding holds", modes.mode.element, modes.constant.element),
    makeGroup("Kernel", ...kernels.map((field) => field.element)),
    makeGroup("Pool", ceil.element, counted.element),
    makeGroup("Afterwards", relu.element, range.element, layers.element),
    reset,
  );
  element.addEventListener("submit", (event) => event.preventDefault());
  const groups = [...element.querySelectorAll("fieldset")];

  /** @param {State} state @param {boolean} isPicture */
  function update(state, isPicture) {
    const pool = isPool(state.op);
    groups[2].hidden = state.op !== "conv" || state.input === null;
    bias.element.hidden = state.input === null;
    groups[3].hidden = pool || state.input === null;
    groups[4].hidden = !pool;
    counted.element.hidden = state.op !== "avgpool";
    modes.constant.element.hidden = !state.mode.startsWith("constant");
    range.element.hidden = state.input === null;
    relu.element.hidden = state.input === null;
    numbers.hidden = isPicture;
    setText(numbers, state.input === null ? "Fill in numbers" : "Clear the numbers");
    form.update(state);
    axes.update(state, isPicture);
    formula.replaceChildren(...writeFormula(state));
  }

  return { element, update };
}

/** All fields, and what has been typed into them and is not yet right. */
class Form {
  /** @param {() => State} getState @param {(state: State) => void} commit */
  constructor(getState, commit) {
    /** @type {Field[]} */
    this.fields = [];
    this.getState = getState;
    this.commit = commit;
  }

  /** @param {Field} field */
  add(field) {
    this.fields.push(field);
    const isText = field.control instanceof HTMLInputElement && field.control.type === "text";
    field.control.addEventListener(isText ? "input" : "change", () => this.read(field));
    if (isText) field.control.addEventListener("keydown", (event) => stepNumber(event));
    return field;
  }

  /** Read what differs from the state, the field that was changed last. @param {Field} changed */
  read(changed) {
    const state = this.getState();
    const others = this.fields.filter((field) => field !== changed && isChanged(field, state));
    let draft = state;
    let problem = "";
    for (const field of [...others, changed]) {
      try {
        draft = field.read(readControl(field.control), draft);
        field.tell("");
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        field.tell(error.message);
        if (field === changed) problem = error.message; // what is wrong elsewhere waits
      }
    }
    if (problem !== "") return;
    problem = findProblem(draft);
    changed.tell(problem);
    if (problem === "") this.commit(draft);
  }

  /** Change the state from outside of a field. @param {(state: State) => State} change */
  change(change) {
    const draft = change(this.getState());
    if (findProblem(draft) === "") this.commit(draft);
  }

  /** @param {State} state */
  update(state) {
    for (const field of this.fields) {
      field.tell("");
      if (differs(field, state) && !isSameNumber(field, state)) writeControl(field.control, field.write(state));
    }
  }
}

/** Whether a field that can be seen shows something else than the state. @param {Field} field @param {State} state */
function isChanged(field, state) {
  return field.control.closest("[hidden]") === null && differs(field, state);
}

/** @param {Field} field @param {State} state */
function differs(field, state) {
  return readControl(field.control) !== field.write(state);
}

/** Whether a text field that has the focus means what the state holds: it is not rewritten. @param {Field} field @param {State} state */
function isSameNumber(field, state) {
  if (document.activeElement !== field.control || field.control instanceof HTMLSelectElement) return false;
  try {
    return field.write(field.read(field.control.value, state)) === field.write(state);
  } catch {
    return false;
  }
}

/** Count up or down by the arrow keys in a field of a whole number. @param {Event} event */
function stepNumber(event) {
  if (!(event instanceof KeyboardEvent) || !(event.target instanceof HTMLInputElement)) return;
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (step === undefined || !/^-?\d{1,6}$/.test(event.target.value)) return;
  event.preventDefault();
  event.target.value = String(Number(event.target.value) + step);
  event.target.dispatchEvent(new Event("input"));
}

/** @param {string} title @param {...HTMLElement} children */
function makeGroup(title, ...children) {
  return make("fieldset", {}, make("legend", {}, title), ...children);
}

/**
 * The sizes, a row each, for rows and columns.
 * @param {Form} form
 * @param {HTMLInputElement} link
 */
function makeAxisGroup(form, link) {
  const rows = PAIR_SETTINGS.map((setting) => {
    const fields = /** @type {(0 | 1)[]} */ ([0, 1]).map((axis) =>
      form.add(makeAxisField(setting, axis, () => link.checked)),
    );
    const name = make("span", { className: "axis-name" }, make("span", {}, setting.name), " ", make("i", {}, setting.symbol));
    const element = make("div", { className: "axis-row" }, name, ...fields.map((field) => field.element));
    return { setting, name, fields, element };
  });
  const head = make(
    "div", { className: "axis-row axis-head", "aria-hidden": "true" },
    make("span"), make("span", {}, "rows"), make("span", {}, "columns"),
  );
  const element = make(
    "div", { className: "axes" }, head, ...rows.map((row) => row.element),
    make("div", { className: "field field-box" }, link, make("label", { htmlFor: link.id }, "Same on all sides")),
  );
  let isChosen = false;
  link.addEventListener("change", () => {
    isChosen = true;
    show(form.getState());
  });
  /** @param {State} state */
  const isSquare = (state) =>
    PAIR_SETTINGS.slice(1).every(({ get }) => get(state)[0] === get(state)[1]) &&
    state.padding[0][0] === state.padding[0][1];

  /** @param {State} state */
  function show(state) {
    const isLinked = link.checked;
    head.hidden = isLinked;
    element.classList.toggle("is-linked", isLinked);
    for (const { setting, fields, name, element: row } of rows) {
      fields[1].element.hidden = isLinked && setting.name !== "Input";
      if (setting.name === "Padding after") row.hidden = isLinked;
      if (setting.name === "Padding before") setText(/** @type {Element} */ (name.firstChild), isLinked ? "Padding" : setting.name);
    }
    form.update(state);
  }

  /** @param {State} state @param {boolean} isPicture */
  function update(state, isPicture) {
    if (!isSquare(state)) link.checked = false;
    else if (!isChosen) link.checked = true;
    rows[0].element.hidden = isPicture;
    rows[rows.length - 1].element.hidden = state.op !== "tconv";
    show(state);
  }

  return { element, update };
}

/** Buttons for the paddings that have a name. @param {Form} form */
function makePresets(form) {
  const names = /** @type {const} */ (["valid", "same", "full"]);
  const buttons = names.map((name) => {
    const button = make("button", { type: "button", className: "quiet" }, name);
    button.addEventListener("click", () => form.change((state) => ({ ...state, padding: findPadding(state, name) })));
    return button;
  });
  return make("div", { className: "presets", role: "group", "aria-label": "Padding by name" }, make("span", {}, "Padding"), ...buttons);
}

/** @param {State} state @param {"valid" | "same" | "full"} name @returns {[Pair, Pair]} */
function findPadding(state, name) {
  const [rows, columns] = makeAxes(state).map((axis) => {
    const extent = effectiveKernel(axis);
    const isLast = name === "full";
    let total = isLast ? 2 * (extent - 1) : 0;
    if (name === "same") {
      total = state.op === "tconv"
        ? Math.max(extent + axis.outputPadding - axis.stride, 0)
        : Math.max((Math.ceil(axis.size / axis.stride) - 1) * axis.stride + extent - axis.size, 0);
    }
    const before = Math.floor(total / 2);
    return /** @type {Pair} */ ([before, total - before]);
  });
  return [rows, columns];
}

/** @param {Form} form */
function makeModeFields(form) {
  const mode = form.add(makeMenu("Padding mode", MODES, {
    write: (state) => state.mode.split(":")[0],
    read: (text, state) => ({ ...state, mode: text === "constant" ? "constant:1" : text }),
  }));
  const constant = form.add(makeNumberField(
    "Constant", "The constant", (state) => Number(state.mode.split(":")[1] ?? 0),
    (state, value) => ({ ...state, mode: `constant:${value}` }),
  ));
  return { mode, constant };
}

const OWN = "";

/** A menu of the bank's kernels. @param {BankKernel[]} bank */
function makeBankMenu(bank) {
  /** @type {[string, string][]} */
  const choices = [[OWN, "weights of your own"], ...bank.map(({ name }) => /** @type {[string, string]} */ ([name, name]))];
  return makeMenu("From the bank", choices, {
    write: (state) => {
      if (state.weights.length !== 1 || state.weights[0].length !== 1) return OWN;
      const text = JSON.stringify(state.weights[0][0]);
      return bank.find(({ matrix }) => JSON.stringify(matrix) === text)?.name ?? OWN;
    },
    read: (text, state) => {
      const found = bank.find(({ name }) => name === text);
      if (found === undefined) return state;
      const { matrix } = found;
      return { ...state, weights: [[matrix]], mapBiases: [], kernel: [matrix.length, matrix[0].length] };
    },
  });
}

function makeLayersField() {
  const control = make("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: "maxpool:2 conv:3,p=1" });
  return makeField(control, "Layers after this one", {
    write: (state) => state.layers.join(" "),
    read: (text, state) => ({ ...state, layers: text.split(/\s+/).filter((layer) => layer !== "") }),
  });
}

/** Give an input of sizes alone small numbers, or take them away. @param {State} state @returns {State} */
function toggleNumbers(state) {
  if (state.input !== null) return { ...state, input: null };
  const [height, width] = state.size;
  const channels = isPool(state.op) ? 1 : Math.max(state.weights[0]?.length ?? 1, 1);
  const input = Array.from({ length: channels }, (_, channel) =>
    Array.from({ length: height }, (_row, row) =>
      Array.from({ length: width }, (_column, column) => (row * 7 + column * 5 + channel * 3 + row * column) % 10),
    ),
  );
  return { ...state, input };
}

/** The formula of the output's size, with what is not used. @param {State} state */
function writeFormula(state) {
  const texts = sizeFormula(state).map((text) =>
    text
      .replace(/floor\(\((.*)\) \/ (\d+)\)/, "\u230a($1) / $2\u230b")
      .replace(/ceil\(\((.*)\) \/ (\d+)\)/, "\u2308($1) / $2\u2309")
      .replaceAll(" - ", " \u2212 ")
      .replaceAll("*", "\u00b7"),
  );
  const lines = texts[0] === texts[1] ? [["Rows and columns", texts[0]]] : [["Rows", texts[0]], ["Columns", texts[1]]];
  const parts = lines.map(([name, text]) =>
    make("p", {}, make("span", { className: "formula-name" }, `${name}: `), make("span", { className: "number" }, text)),
  );
  const [rows, columns] = droppedRows(state);
  const left = [[rows, "row"], [columns, "column"]].flatMap(([count, name]) =>
    Number(count) > 0 ? [`${count} ${name}${count === 1 ? "" : "s"}`] : [],
  );
  const unused = left.length > 0 ? `${left.join(" and ")} at the end ${left.length === 1 && rows + columns === 1 ? "is" : "are"} not used.` : "";
  parts.push(make("p", { className: "dropped-note" }, unused));
  return parts;
}
