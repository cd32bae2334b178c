/** The veil: blur and grey over the picture, there unless somebody keeps lifting it. */

/** Of the picture's width: nothing can be told apart, yet one sees where something moves. */
const RADIUS = 0.04;

/** Pixels, however small the picture is. */
const LEAST_RADIUS = 12;

/**
 * Tells `change`.
 *
 * The filter is set on the picture itself: it must not hang on a style sheet that may be missing.
 */
export class Veil extends EventTarget {
  #stage;
  #picture;
  #blur;
  #grey;
  #held = false;
  #latched = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} picture
   * @param {{blur: boolean, grey: boolean}} defaults
   */
  constructor(stage, picture, { blur, grey }) {
    super();
    this.#stage = stage;
    this.#picture = picture;
    this.#blur = blur;
    this.#grey = grey;
    new ResizeObserver(() => this.#draw()).observe(stage);
    this.#dropWhenLeft();
    this.#draw();
  }

  /** Whether the picture can be seen as it is. */
  get lifted() {
    return !this.#blur || this.isHeld;
  }

  /** Whether somebody is keeping it lifted now. */
  get isHeld() {
    return this.#held || this.#latched;
  }

  get grey() {
    return this.#grey;
  }

  /** While a key or a button is held. */
  lift() {
    this.#set(true, this.#latched);
  }

  /** It is over, whatever lifted it. */
  drop() {
    this.#set(false, false);
  }

  /** For those who cannot hold anything. */
  toggle() {
    this.#set(false, !this.#latched);
  }

  toggleGrey() {
    this.#grey = !this.#grey;
    this.#changed();
  }

  /** Whoever looks elsewhere does not see a key being let go. */
  #dropWhenLeft() {
    window.addEventListener("blur", () => this.drop());
    window.addEventListener("pagehide", () => this.drop());
    document.addEventListener("visibilitychange", () => this.drop());
  }

  #set(held, latched) {
    if (held === this.#held && latched === this.#latched) return;
    this.#held = held;
    this.#latched = latched;
    this.#changed();
  }

  #changed() {
    this.#draw();
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    this.#stage.classList.toggle("veiled", !this.lifted);
    this.#stage.classList.toggle("grey", this.#grey);
    const radius = Math.max(LEAST_RADIUS, Math.round(this.#stage.clientWidth * RADIUS));
    const filters = [this.lifted ? "" : `blur(${radius}px)`, this.#grey ? "grayscale(1)" : ""];
    this.#picture.style.filter = filters.filter(Boolean).join(" ") || "none";
  }
}

/**
 * A button lifts it while pressed; by keyboard it latches, and is pressed again to let go.
 *
 * @param {HTMLElement} button
 * @param {Veil} veil
 */
export function liftBy(button, veil) {
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    veil.lift();
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(type, () => veil.drop());
  }
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
  button.addEventListener("click", (event) => {
    if (event.detail === 0) veil.toggle();
  });
}
