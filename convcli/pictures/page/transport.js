// The slider of the position, with play and step.

import { outputChannels, outputSize } from "./arithmetic.js";
import { make, setAttribute, setText } from "./dom.js";
import { COLOR_NAMES } from "./text.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").OutputPosition} OutputPosition */

/** Milliseconds from one step to the next while it plays. @type {[string, number][]} */
const SPEEDS = [["slow", 1400], ["medium", 700], ["fast", 200]];

/**
 * Make the bar.
 * @param {() => State} getState
 * @param {(at: OutputPosition, cause: "key" | "play") => void} move
 */
export function makeTransport(getState, move) {
  let timer = 0;
  const slider = make("input", { type: "range", min: "0", step: "1", id: "position", "aria-label": "Position of the window" });
  const place = make("output", { className: "place", htmlFor: "position" });
  const speed = make("select", { "aria-label": "Speed" }, ...SPEEDS.map(([name, pause]) => make("option", { value: String(pause) }, name)));
  speed.value = String(SPEEDS[1][1]);
  const map = make("select", { id: "output-map" });
  const mapBox = make("label", { className: "map-choice" }, "Map ", map);
  const play = makeButton("Play", "\u25b6", () => (timer === 0 ? start() : stop()));
  const buttons = [
    makeButton("First", "\u21e4", () => go(0)),
    makeButton("Back", "\u2190", () => go(indexOf(getState()) - 1)),
    play,
    makeButton("Next", "\u2192", () => go(indexOf(getState()) + 1)),
  ];
  const element = make(
    "section", { className: "transport", "aria-label": "Position" },
    make("div", { className: "buttons" }, ...buttons), slider, place, speed, mapBox,
  );
  slider.addEventListener("input", () => go(Number(slider.value)));
  map.addEventListener("change", () => {
    stop();
    move({ ...getState().at, channel: Number(map.value) }, "key");
  });
  speed.addEventListener("change", () => {
    if (timer !== 0) start();
  });

  /** @param {number} index */
  function go(index) {
    stop();
    move(positionOf(getState(), index), "key");
  }

  function start() {
    window.clearInterval(timer);
    const last = Number(slider.max);
    if (indexOf(getState()) >= last) move(positionOf(getState(), 0), "play");
    timer = window.setInterval(() => {
      const index = indexOf(getState());
      if (index >= last) stop();
      else move(positionOf(getState(), index + 1), "play");
    }, Number(speed.value));
    setButton(play, "Pause", "\u275a\u275a");
  }

  function stop() {
    if (timer === 0) return;
    window.clearInterval(timer);
    timer = 0;
    setButton(play, "Play", "\u25b6");
    move(getState().at, "key");
  }

  /** @param {State} state @param {boolean} isPicture */
  function update(state, isPicture) {
    const [height, width] = outputSize(state);
    const count = height * width;
    const index = indexOf(state);
    slider.max = String(count - 1);
    slider.value = String(index);
    const text = `row ${state.at.row}, column ${state.at.column}`;
    setAttribute(slider, "aria-valuetext", text);
    setText(place, `${text} (${(index + 1).toLocaleString("en-US")} of ${count.toLocaleString("en-US")})`);
    const maps = outputChannels(state);
    mapBox.hidden = maps === 1;
    const names = Array.from({ length: maps }, (_, number) => (isPicture && maps === 3 ? COLOR_NAMES[number] : String(number)));
    if (map.textContent !== names.join("")) {
      map.replaceChildren(...names.map((name, number) => make("option", { value: String(number) }, name)));
    }
    map.value = String(state.at.channel);
  }

  return { element, update, stop, isPlaying: () => timer !== 0 };
}

/** @param {State} state */
export function indexOf(state) {
  return state.at.row * outputSize(state)[1] + state.at.column;
}

/** @param {State} state @param {number} index @returns {OutputPosition} */
function positionOf(state, index) {
  const [height, width] = outputSize(state);
  const limited = Math.min(Math.max(index, 0), height * width - 1);
  return { ...state.at, row: Math.floor(limited / width), column: limited % width };
}

/** @param {string} name @param {string} sign @param {() => void} act */
function makeButton(name, sign, act) {
  const button = make("button", { type: "button" });
  setButton(button, name, sign);
  button.addEventListener("click", act);
  return button;
}

/** @param {HTMLButtonElement} button @param {string} name @param {string} sign */
function setButton(button, name, sign) {
  button.replaceChildren(make("span", { "aria-hidden": "true" }, sign));
  button.setAttribute("aria-label", name);
  button.title = name;
}
