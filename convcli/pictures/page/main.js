// The page: reads what Python embedded, and shows it.

import { computeOutputs, outputSize, sizeFormula } from "./arithmetic.js";

/** @typedef {import("./types.d.ts").PageData} PageData */

/** @returns {PageData} */
function readData() {
  const element = document.getElementById("convcli-data");
  return JSON.parse(element?.textContent ?? "");
}

function main() {
  const { title, state } = readData();
  const heading = document.createElement("h1");
  heading.textContent = title;
  const formula = document.createElement("p");
  formula.textContent = sizeFormula(state).join("; ");
  const outputs = document.createElement("pre");
  outputs.textContent = JSON.stringify(state.input ? computeOutputs(state) : outputSize(state));
  document.getElementById("page")?.append(heading, formula, outputs);
}

main();
