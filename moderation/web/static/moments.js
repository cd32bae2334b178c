/** The moments: what was flagged, one after the other. */

/** Microseconds: a seek lands this near to where it was sent. */
const NEAR_US = 50_000;

/** @typedef {import("./case.js").Moment} Moment */

/** Tells `jump` when one is gone to. */
export class Moments extends EventTarget {
  #player;
  #moments;
  #current = -1;

  /**
   * @param {import("./player.js").Player} player
   * @param {Moment[]} moments  in time order; the page has buttons for the weightiest of them
   */
  constructor(player, moments) {
    super();
    this.#player = player;
    this.#moments = moments;
    moments.forEach((moment, index) => {
      buttonOf(moment)?.addEventListener("click", () => this.go(index));
    });
  }

  /** The one that was gone to last. @returns {Moment | undefined} */
  get current() {
    return this.#moments[this.#current];
  }

  /** @param {1 | -1} direction  @returns {boolean} whether there was one */
  step(direction) {
    const index = this.#stands() ? this.#current + direction : this.#search(direction);
    if (index < 0 || index >= this.#moments.length) return false;
    this.go(index);
    return true;
  }

  /** @param {number} index */
  go(index) {
    if (this.current) buttonOf(this.current)?.removeAttribute("aria-current");
    this.#current = index;
    const button = buttonOf(this.current);
    button?.setAttribute("aria-current", "true");
    button?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#player.seek(this.current.best_us);
    this.dispatchEvent(new Event("jump"));
  }

  /** Whether the picture is still that of the moment: several may share one time. */
  #stands() {
    return this.current && Math.abs(this.current.best_us - this.#player.us) < NEAR_US;
  }

  #search(direction) {
    const { us } = this.#player;
    if (direction > 0) return this.#moments.findIndex(({ best_us }) => best_us > us);
    return this.#moments.findLastIndex(({ best_us }) => best_us < us - NEAR_US);
  }
}

/** @param {Moment} moment  @returns {HTMLButtonElement | null} */
function buttonOf({ segment }) {
  return document.querySelector(`#moments button.moment[data-segment="${segment}"]`);
}
