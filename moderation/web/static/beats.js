/** Beats: what tells the server that somebody works on the item, and what they were exposed to. */

import { post, Unreachable } from "./send.js";
import { say } from "./status.js";

const EVERY_MS = 10_000;

/**
 * @typedef {object} Held
 * @property {string} held_until  as ISO 8601 has it
 * @property {number} today_s  of exposure, as the ledger weighs it
 * @property {number} cap_s  where it is enough, 0 for no end
 * @property {boolean} pause  whether to propose one
 *
 * @typedef {object} Told
 * @property {(answer: Held) => void} held
 * @property {(title: string) => void} lost  somebody else has the item, or nobody
 */

export class Beats {
  #url;
  #meter;
  #told;
  #keeps;
  #active = false;

  /**
   * @param {string} url
   * @param {ReturnType<import("./meter.js").meter>} meter
   * @param {Told} told
   * @param {{keeps: boolean}} how  whether the item is theirs; whoever looks on is exposed, too
   */
  constructor(url, meter, told, { keeps }) {
    this.#url = url;
    this.#meter = meter;
    this.#told = told;
    this.#keeps = keeps;
  }

  start() {
    for (const type of ["pointerdown", "keydown", "input"]) {
      document.addEventListener(type, () => (this.#active = true), { passive: true });
    }
    setInterval(() => this.#beat(), EVERY_MS);
    window.addEventListener("pagehide", () => this.flush());
  }

  /**
   * Send the rest, though the page goes away; once the item is decided it is not held any more.
   *
   * @returns {Promise<void> | null} null where there is nothing
   */
  flush() {
    const beat = this.#meter.take();
    return beat.seconds ? this.#send(beat, { isLast: true }) : null;
  }

  /** Reading and writing keep the item too. */
  #beat() {
    const beat = this.#meter.take();
    if (beat.seconds || (this.#keeps && this.#active)) this.#send(beat, { isLast: false });
    this.#active = false;
  }

  async #send(beat, { isLast }) {
    try {
      this.#hear(await post(this.#url, beat, { keepalive: isLast }), beat, isLast);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#meter.putBack(beat);
      say("The server cannot be reached; the page goes on trying.", { problem: true });
    }
  }

  #hear({ ok, status, content }, beat, isLast) {
    if (ok) return this.#told.held(content);
    if (status === 409) return this.#lose(content?.title ?? "", isLast);
    this.#meter.putBack(beat);
    say(content?.title ?? `The server answers ${status}.`, { problem: true });
  }

  /** What was watched counts all the same. Whoever leaves by a form hears it from its answer. */
  #lose(why, isLast) {
    if (this.#keeps && !isLast) this.#told.lost(why);
    this.#keeps = false;
  }
}
