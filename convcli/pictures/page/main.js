// The page: reads what Python embedded, draws it, and follows what a user does.

import { isPerChannel, outputSize } from "./arithmetic.js";
import { readPalette } from "./colors.js";
import { makeControls } from "./controls.js";
import { make, setText } from "./dom.js";
import { drawStep, saveFile } from "./export.js";
import { makePicturePanel, readPicture } from "./picture.js";
import { makeShare } from "./share.js";
import { makeStack } from "./stack.js";
import { makeStage } from "./stage.js";
import { exceedsHash, findProblem, limitPosition, readHash, writeHash } from "./state.js";
import { describeFocus, makeSteps } from "./steps.js";
import { formatNumber, formatSize, readNumber, writeNote } from "./text.js";
import { indexOf, makeTransport } from "./transport.js";
import { hasOutput, keepOutputs, makeScene, takeOutputs } from "./views.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").PageData} PageData */
/** @typedef {import("./types.d.ts").OutputPosition} OutputPosition */
/** @typedef {import("./picture.js").OpenedPicture} OpenedPicture */
/** @typedef {import("./views.js").Focus} Focus */
/** @typedef {import("./views.js").Scene} Scene */

const HASH_PAUSE_MS = 300; // browsers limit how often the address bar may change
const SPEECH_PAUSE_MS = 150;

/** @returns {PageData} */
function readData() {
  return JSON.parse(document.getElementById("convcli-data")?.textContent ?? "");
}

/** @param {OutputPosition} at @returns {Focus} */
function focusOn(at) {
  return { kind: "output", channel: 0, row: at.row, column: at.column };
}

/** The page, running. */
class Page {
  /** @param {PageData} data @param {State} state */
  constructor(data, state) {
    this.data = data;
    this.defaults = state;
    this.original = state; // where a reload of the page begins
    this.state = state;
    this.isPicture = data.picture !== null;
    /** @type {Focus} */
    this.focus = focusOn(state.at);
    /** @type {Scene | null} */
    this.scene = null;
    this.palette = readPalette();
    this.hashTimer = 0;
    this.speechTimer = 0;
    const getState = () => this.state;
    this.notes = make("div", { className: "notes" });
    this.summary = make("p", { className: "summary" });
    this.speech = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
    this.stage = makeStage({
      onFocus: (focus, cause) => this.point(focus, cause),
      onLeave: () => this.leave(),
      readInput: (channel, row, column) => String(this.state.input?.[channel]?.[row]?.[column] ?? ""),
      editInput: (channel, row, column, text) => this.editInput(channel, row, column, text),
      readWeight: (lane, row, column) => String(this.scene?.planes[lane].plane[row]?.[column] ?? ""),
      editWeight: (lane, row, column, text) => this.editWeight(lane, row, column, text),
    });
    this.steps = makeSteps();
    this.transport = makeTransport(getState, (at, cause) => this.move(at, cause));
    this.controls = makeControls(this.data.bank, getState, (state) => this.commit(state), () => this.defaults);
    this.stack = makeStack();
    this.share = makeShare(this.data, () => this.saveStep(), (text) => this.say(text));
    this.picture = makePicturePanel({
      getState,
      moveTo: (position) => this.move({ channel: this.state.at.channel, ...position }, "hover"),
      open: (picture) => this.openPicture(picture),
      say: (message) => this.note(message),
    });
    this.assemble();
    this.listen();
    this.followHash();
  }

  /** Put the parts on the page. */
  assemble() {
    const header = make("header", {}, make("h1", {}, this.data.title), this.summary, this.notes);
    const work = make("div", { className: "work" }, this.picture.element, this.stage.element, this.transport.element, this.steps.element, this.stack.element, this.share.element);
    const side = make("aside", { "aria-label": "Settings" }, this.controls.element);
    document.getElementById("page")?.append(header, make("div", { className: "columns" }, work, side), this.speech);
    for (const note of this.data.notes) this.notes.append(make("p", {}, writeNote(note)));
  }

  listen() {
    window.addEventListener("hashchange", () => this.followHash());
    window.addEventListener("beforeprint", () => this.transport.stop());
    const repaint = () => {
      this.palette = readPalette();
      this.draw();
    };
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    window.matchMedia("print").addEventListener("change", repaint);
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      this.draw();
    }).observe(this.stage.element);
  }

  /** Show a state that the address bar holds. */
  followHash() {
    const hash = location.hash.slice(1);
    if (hash === writeHash(this.state, this.defaults) && this.scene !== null) return;
    this.notes.querySelector(".hash-problem")?.remove();
    this.transport.stop();
    try {
      this.state = hash === "" ? this.defaults : readHash(hash, this.defaults);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.state = this.defaults;
      const text = `The address holds no state of this page: ${error.message}. What is shown is the page's own.`;
      this.notes.append(make("p", { className: "hash-problem" }, text));
    }
    this.focus = focusOn(this.state.at);
    this.draw();
  }

  /** Draw everything. */
  draw() {
    const { state } = this;
    const filled = this.transport.isPlaying() ? indexOf(state) : Infinity;
    this.scene = makeScene(state, this.focus, { isPicture: this.isPicture, palette: this.palette, filled });
    this.stage.update(this.scene);
    this.steps.update(this.scene);
    this.transport.update(state, this.isPicture);
    this.controls.update(state, this.isPicture);
    this.stack.update(state);
    this.share.update(state, exceedsHash(state, this.original));
    const outputs = this.scene.outputs;
    this.picture.element.hidden = !this.isPicture || outputs === null;
    if (this.isPicture && outputs !== null) this.picture.update(state, outputs);
    setText(this.summary, `Input ${formatSize(state.size)}, window ${formatSize(state.kernel)} \u2192 output ${formatSize(outputSize(state))}`);
  }

  /** Draw what follows what is pointed at. */
  drawFocus() {
    const { state } = this;
    const filled = this.transport.isPlaying() ? indexOf(state) : Infinity;
    this.scene = makeScene(state, this.focus, { isPicture: this.isPicture, palette: this.palette, filled });
    this.stage.update(this.scene);
    this.steps.update(this.scene);
  }

  /** @param {Focus} focus @param {"hover" | "key" | "tap"} cause */
  point(focus, cause) {
    if (cause === "hover" && (this.transport.isPlaying() || isSame(focus, this.focus))) return;
    if (cause !== "hover") this.transport.stop();
    if (focus.kind === "output" && !hasOutput(this.state, focus.row, focus.column)) {
      this.leave(); // what padding crops is no output
      return;
    }
    if (focus.kind === "output" && cause !== "hover") {
      this.move({ channel: this.state.at.channel, row: focus.row, column: focus.column }, "key");
      return;
    }
    if (focus.kind === "input") {
      const [height, width] = this.state.size;
      const isInside = focus.row >= 0 && focus.row < height && focus.column >= 0 && focus.column < width;
      if (!isInside) {
        this.leave(); // padding feeds nothing of its own
        return;
      }
    }
    this.focus = focus;
    this.drawFocus();
    if (cause !== "hover" && this.scene) this.say(describeFocus(this.scene));
  }

  /** Back to the output that was chosen. */
  leave() {
    const own = focusOn(this.state.at);
    if (isSame(own, this.focus)) return;
    this.focus = own;
    this.drawFocus();
  }

  /** @param {OutputPosition} at @param {"hover" | "key" | "play"} cause */
  move(at, cause) {
    const state = limitPosition({ ...this.state, at });
    keepOutputs(this.state, state);
    this.state = state;
    this.focus = focusOn(state.at);
    this.draw();
    if (cause === "key" && this.scene) this.say(describeFocus(this.scene));
    this.keepHash(false);
  }

  /** Show a state that a user chose. @param {State} state */
  commit(state) {
    this.transport.stop();
    this.state = limitPosition(state);
    this.focus = focusOn(this.state.at);
    this.draw();
    if (this.scene) this.say(`Output ${formatSize(outputSize(this.state))}. ${describeFocus(this.scene)}`);
    this.keepHash(true);
  }

  /** @param {number} channel @param {number} row @param {number} column @param {string} text */
  editInput(channel, row, column, text) {
    const value = readNumber(text);
    if (this.state.input === null) return "There are sizes alone: fill in numbers first.";
    if (Number.isNaN(value)) return describeWrong(text);
    const input = replaceNumber(this.state.input, [channel, row, column], value);
    this.commit({ ...this.state, input });
    return "";
  }

  /** @param {number} lane @param {number} row As typed. @param {number} column @param {string} text */
  editWeight(lane, row, column, text) {
    const value = readNumber(text);
    if (this.state.input === null) return "There are sizes alone: fill in numbers first.";
    if (Number.isNaN(value)) return describeWrong(text);
    const path = isPerChannel(this.state) ? [0, 0, row, column] : [this.state.at.channel, lane, row, column];
    this.commit({ ...this.state, weights: replaceNumber(this.state.weights, path, value) });
    return "";
  }

  /** Show another picture. @param {OpenedPicture} picture */
  openPicture({ maps, source }) {
    /** @type {[number, number]} */
    const size = [maps[0].length, maps[0][0].length];
    const range = this.state.range === "none" ? "clamp" : this.state.range;
    const state = { ...this.state, input: maps, size, range };
    const problem = findProblem(state);
    this.note(problem);
    if (problem !== "") return;
    // The command reads the picture by its name, and the address bar tells what differs from it.
    this.defaults = { ...this.defaults, input: maps, size, range };
    Object.assign(this.data, { source, sourceOptions: [], state: this.defaults });
    this.isPicture = true;
    this.commit(limitPosition(state));
  }

  /** Show a message below the title. @param {string} text */
  note(text) {
    this.notes.querySelector(".message")?.remove();
    if (text !== "") this.notes.append(make("p", { className: "message" }, text));
    this.say(text);
  }

  /** Write the state to the address bar. @param {boolean} isStep Whether the browser can go back to before. */
  keepHash(isStep) {
    window.clearTimeout(this.hashTimer);
    const write = () => {
      const hash = writeHash(this.state, this.defaults);
      const address = hash === "" ? location.pathname + location.search : `#${hash}`;
      try {
        if (isStep) history.pushState(null, "", address);
        else history.replaceState(null, "", address);
      } catch {
        // A page without an address of its own has no state there.
      }
    };
    if (isStep) write();
    else this.hashTimer = window.setTimeout(write, HASH_PAUSE_MS);
  }

  /** Tell a screen reader. @param {string} text */
  say(text) {
    window.clearTimeout(this.speechTimer);
    this.speechTimer = window.setTimeout(() => setText(/** @type {Element} */ (this.speech), text), SPEECH_PAUSE_MS);
  }

  saveStep() {
    if (this.scene === null) return;
    const { lanes, output } = this.stage.listGrids();
    const rows = lanes.map(({ input, kernel, products }) => [input, kernel, products].filter(({ element }) => !element.hidden));
    rows[0].push(output);
    const at = this.state.at;
    const lines = [...document.querySelectorAll(".sentence, .terms p, .result-line")]
      .filter((line) => line instanceof HTMLElement && line.offsetParent !== null)
      .map((line) => line.textContent ?? "");
    saveFile(drawStep(rows, `${this.data.title}, output ${at.row}, ${at.column}`, lines), `step-${at.row}-${at.column}.svg`);
    this.say("The step is saved as SVG.");
  }
}

/** @param {Focus} one @param {Focus} other */
function isSame(one, other) {
  return one.kind === other.kind && one.row === other.row && one.column === other.column && one.channel === other.channel;
}

/** @param {string} text */
function describeWrong(text) {
  const typed = text.trim() === "" ? "nothing" : `\u201c${text.trim().slice(0, 20)}\u201d`;
  return `A cell holds a number like 2, ${formatNumber(-0.5)} or 1/9, not ${typed}.`;
}

/**
 * A copy of nested lists with one number changed.
 * @template {any[]} Nested
 * @param {Nested} array
 * @param {number[]} path
 * @param {number} value
 * @returns {Nested}
 */
function replaceNumber(array, [index, ...rest], value) {
  const copy = /** @type {Nested} */ ([...array]);
  copy[index] = rest.length === 0 ? value : replaceNumber(array[index], rest, value);
  return copy;
}

async function main() {
  const data = readData();
  const input = data.picture === null ? data.state.input : await readPicture(data.picture);
  const state = { ...data.state, input };
  if (data.outputs !== null) takeOutputs(state, data.outputs);
  new Page({ ...data, state }, state);
}

void main();
