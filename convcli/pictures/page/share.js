// What a user takes along: the command, the PyTorch line, and the step as a picture.

import { makeCommand, makeTorchLine } from "./command.js";
import { make, setText } from "./dom.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").PageData} PageData */

/**
 * @param {PageData} data
 * @param {() => void} saveStep
 * @param {(text: string) => void} announce
 */
export function makeShare(data, saveStep, announce) {
  const command = makeCopy("Command", "Copy the command", "No command computes this.", announce);
  const torch = makeCopy("PyTorch", "Copy the PyTorch line", "PyTorch has no such operation.", announce);
  const save = make("button", { type: "button" }, "Save the step as SVG");
  save.addEventListener("click", saveStep);
  const warning = make("p", { className: "problem", hidden: true }, "The address of this page does not hold these numbers, which are too many: a reload begins with the page\u2019s own.");
  const element = make("section", { className: "share" }, make("h2", {}, "Take it along"), command.element, torch.element, save, warning);

  /** @param {State} state @param {boolean} isTooLarge Whether the address does not hold all numbers. */
  function update(state, isTooLarge) {
    warning.hidden = !isTooLarge;
    command.update(makeCommand(state, data));
    torch.update(makeTorchLine(state));
  }

  return { element, update };
}

/**
 * @param {string} name
 * @param {string} action
 * @param {string} missing
 * @param {(text: string) => void} announce
 */
function makeCopy(name, action, missing, announce) {
  const code = make("code", { tabIndex: 0, "aria-label": name });
  const button = make("button", { type: "button" }, action);
  const element = make("div", { className: "copy" }, make("pre", {}, code), button);
  let text = "";
  button.addEventListener("click", async () => {
    const isCopied = await copyText(text, code);
    announce(isCopied ? `${name} copied.` : `${name} selected: copy it with the keyboard.`);
    setText(button, isCopied ? "Copied" : "Selected");
    window.setTimeout(() => setText(button, action), 1500);
  });

  /** @param {string | null} value */
  function update(value) {
    text = value ?? "";
    setText(code, value ?? missing);
    button.disabled = value === null;
  }

  return { element, update };
}

/** Copy a text, or select it where the browser does not allow that. @param {string} text @param {HTMLElement} code */
async function copyText(text, code) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(code);
    return document.execCommand("copy");
  }
}
