/** Stills: pictures kept of the video, in its place where it cannot be played. */

const STRIP = "#moments .moment[data-best-us] img";

export class Stills {
  #video;
  #moments;
  #clear = {};

  /** Whether they stand for the video. */
  shown = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./case.js").Moment[]} moments
   */
  constructor(video, moments) {
    this.#video = video;
    this.#moments = moments;
    hideMissing();
  }

  /** Of the first one that is there; all are frames of one video. */
  get size() {
    const there = [...document.querySelectorAll(STRIP)].find(isThere);
    return { width: there?.naturalWidth ?? 0, height: there?.naturalHeight ?? 0 };
  }

  /** @param {import("./links.js").Fresh} fresh */
  relink({ pictures, clear }) {
    this.#clear = clear;
    relinkStrip(pictures);
  }

  /**
   * The one nearest to where the video would be, as it is: the veil lies over it.
   *
   * @param {number} us
   */
  show(us) {
    this.shown = true;
    const kept = this.#moments.filter(({ best_us }) => this.#clear[best_us]);
    const away = ({ best_us }) => Math.abs(best_us - us);
    const nearest = Math.min(...kept.map(away));
    const found = kept.find((moment) => away(moment) === nearest);
    if (found) this.#video.poster = this.#clear[found.best_us];
  }
}

/** Give pictures that have not been fetched yet their new links. */
function relinkStrip(pictures) {
  for (const image of document.querySelectorAll(STRIP)) {
    const url = pictures[image.closest(".moment").dataset.bestUs];
    if (url && !isThere(image)) image.src = url;
  }
}

/** Some are not kept any more: an empty frame says so better than a broken one. */
function hideMissing() {
  for (const image of document.querySelectorAll(STRIP)) {
    image.addEventListener("error", () => (image.hidden = true));
    image.addEventListener("load", () => (image.hidden = false));
    image.hidden = image.complete && !isThere(image);
  }
}

function isThere(image) {
  return image.complete && image.naturalWidth > 0;
}
