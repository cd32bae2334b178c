/** Links: those to the video and its pictures end soon, and are asked for again before. */

import { get, Unreachable } from "./send.js";
import { say } from "./status.js";

/** Of a link's time, after which it is renewed: the rest is for slow networks. */
const SHARE = 0.8;

/** Milliseconds until a renewal that failed is tried again. */
const AGAIN_MS = 5_000;

/**
 * @typedef {object} Fresh
 * @property {string} video  empty for none
 * @property {Record<string, string>} pictures  veiled, by their microseconds
 * @property {Record<string, string>} clear  the same as they are
 */

export class Links {
  #url;
  #everyMs;
  #use;
  #timer = 0;

  /**
   * @param {string} url
   * @param {number} seconds  for which a link is good; not until when, for clocks differ
   * @param {(fresh: Fresh) => void} use  the new ones
   */
  constructor(url, seconds, use) {
    this.#url = url;
    this.#everyMs = seconds * 1000 * SHARE;
    this.#use = use;
  }

  /** The page came with some: ask for the next before they end. */
  keepUp() {
    this.#later(this.#everyMs);
  }

  /** Ask for new ones now. */
  async renew() {
    try {
      this.#take(await get(this.#url));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#failed("The server cannot be reached for the video; the page goes on trying.");
    }
  }

  #take({ ok, status, content }) {
    if (status === 409 || status === 403 || status === 404) return this.#refused(content);
    if (!ok) return this.#failed(`The server gives no link to the video (${status}).`);
    this.keepUp();
    this.#use(content);
  }

  /** Somebody else has the item, or may no longer see it: asking again does not help. */
  #refused(content) {
    say(content?.title ?? "The video of this item is not open to you any more.", { problem: true });
  }

  #failed(why) {
    say(why, { problem: true });
    this.#later(AGAIN_MS);
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew(), ms);
  }
}
