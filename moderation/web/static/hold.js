/** The hold: for how long the item is theirs, if nobody works on it. */

/** Milliseconds between two looks: it is told in minutes. */
const EVERY_MS = 15_000;

const MINUTE_MS = 60_000;

export class Hold {
  #place = document.getElementById("held-until"); // none where it is not theirs
  #ahead = 0;

  constructor() {
    if (!this.#place) return;
    const { dateTime, dataset } = this.#place;
    // The server's clock less this one: they differ by minutes on some machines.
    this.#ahead = Date.parse(dateTime) - Number(dataset.seconds) * 1000 - Date.now();
    setInterval(() => this.#draw(), EVERY_MS);
  }

  /** @param {string} iso  when it ends now */
  last(iso) {
    if (!this.#place) return; // another of their windows has claimed it meanwhile
    const utc = new Date(iso).toISOString();
    this.#place.dateTime = utc;
    this.#place.title = `until ${utc.slice(0, 10)} ${utc.slice(11, 16)} UTC`;
    this.#draw();
  }

  #draw() {
    const left = Date.parse(this.#place.dateTime) - this.#ahead - Date.now();
    this.#place.textContent = inMinutes(Math.floor(left / MINUTE_MS));
  }
}

/** In the words of the page as it came. */
function inMinutes(minutes) {
  if (minutes < 1) return "less than a minute";
  return minutes === 1 ? "1 more minute" : `${minutes} more minutes`;
}
