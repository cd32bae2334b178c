/** Undo: the last decision can be taken back for a few seconds. */

import { say } from "./status.js";

export class UndoBar {
  #bar = document.getElementById("undo-bar");
  #ends;

  /** @param {number} seconds  unless the bar itself says what is left */
  constructor(seconds) {
    if (!this.#bar) return;
    this.#ends = performance.now() + Number(this.#bar.dataset.seconds ?? seconds) * 1000;
    this.#countDown();
  }

  /** Take it back now. */
  take() {
    if (!this.#bar || this.#bar.hidden) return say("There is nothing to take back any more.");
    this.#bar.querySelector("form").requestSubmit();
  }

  #countDown() {
    const left = Math.ceil((this.#ends - performance.now()) / 1000);
    this.#bar.hidden = left <= 0;
    const shown = this.#bar.querySelector("[data-countdown]");
    if (shown) shown.textContent = `${Math.max(0, left)} s`;
    if (left > 0) setTimeout(() => this.#countDown(), 250);
  }
}
