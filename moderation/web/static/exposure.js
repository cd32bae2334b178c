/** Exposure: how long somebody really watched, and how long without the veil. */

/** @typedef {{seconds: number, unveiled_seconds: number}} Beat */

export class Exposure {
  #since = 0;
  #watching = false;
  #unveiled = false;
  #seconds = 0;
  #unveiledSeconds = 0;

  /**
   * From now on it is so. A still picture is watched too while it is unveiled.
   *
   * @param {number} now  seconds, on any clock that only goes on
   * @param {{playing: boolean, unveiled: boolean}} state
   */
  note(now, { playing, unveiled }) {
    this.#add(now);
    this.#watching = playing || unveiled;
    this.#unveiled = unveiled;
  }

  /**
   * What has gathered since the last time.
   *
   * @param {number} now
   * @returns {Beat}
   */
  take(now) {
    this.#add(now);
    const beat = { seconds: round(this.#seconds), unveiled_seconds: round(this.#unveiledSeconds) };
    this.#seconds = 0;
    this.#unveiledSeconds = 0;
    return beat;
  }

  /** It did not arrive: it goes with the next. @param {Beat} beat */
  putBack({ seconds, unveiled_seconds }) {
    this.#seconds += seconds;
    this.#unveiledSeconds += unveiled_seconds;
  }

  #add(now) {
    const passed = now - this.#since;
    this.#since = now;
    if (this.#watching) this.#seconds += passed;
    if (this.#unveiled) this.#unveiledSeconds += passed;
  }
}

function round(seconds) {
  return Math.round(seconds * 1000) / 1000;
}
