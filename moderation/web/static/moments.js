/** The moments: what was flagged, one after the other. */

/** Microseconds: a seek lands this near to where it was sent. */
const NEAR_US = 50_000;

/** @typedef {import("./case.js").Moment} Moment */

/** Tells `jump` when one is gone to. */
export class Moments extends EventTarget {
  #player;
  #moments;
  #current;

  /**
   * @param {import("./player.js").Player} player
   * @param {Moment[]} moments  in time order; the page has buttons for the weightiest of them
   */
  constructor(player, moments) {
    super();
    this.#player = player;
    this.#moments = moments.filter(({ asked }) => asked);
    for (const moment of moments) {
      buttonOf(moment)?.addEventListener("click", () => this.go(moment));
    }
  }

  /** The one that was gone to last. @returns {Moment | undefined} */
  get current() {
    return this.#current;
  }

  /** Through what is asked about alone. @param {1 | -1} direction  @returns {boolean} whether there was one */
  step(direction) {
    const at = this.#stands() ? this.#moments.indexOf(this.#current) : -1;
    const next = this.#moments[at >= 0 ? at + direction : this.#search(direction)];
    if (!next) return false;
    this.go(next);
    return true;
  }

  /** @param {Moment} moment */
  go(moment) {
    if (this.current) buttonOf(this.current)?.removeAttribute("aria-current");
    this.#current = moment;
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
