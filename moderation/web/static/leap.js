/** Leaps: jumps through the video that grow while they follow each other. */

/** Seconds; the first finds a word said twice, the last crosses an hour in a minute. */
const STEPS = [5, 10, 20, 40, 60];

/** Milliseconds between two presses that belong together: slower is a new wish. */
const TOGETHER_MS = 800;

export class Leap {
  #direction = 0;
  #last = -Infinity;
  #step = 0;

  /**
   * @param {1 | -1} direction
   * @param {number} now  milliseconds, on any clock that only goes on
   * @returns {number} seconds, negative for back
   */
  next(direction, now) {
    const again = direction === this.#direction && now - this.#last <= TOGETHER_MS;
    this.#step = again ? Math.min(this.#step + 1, STEPS.length - 1) : 0;
    this.#direction = direction;
    this.#last = now;
    return direction * STEPS[this.#step];
  }
}
