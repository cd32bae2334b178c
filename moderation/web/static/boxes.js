/** Boxes: where in the picture something was seen, drawn over it at its time. */

const SVG = "http://www.w3.org/2000/svg";

/** Microseconds around a box's time: it is known for one frame, and things move. */
const HOLD_US = 500_000;

/** @typedef {{width: number, height: number}} Size */

export class Boxes {
  #svg;
  #video;
  #moments;
  #size;
  #drawn = "[]";

  /**
   * @param {SVGSVGElement} svg
   * @param {HTMLVideoElement} video
   * @param {import("./case.js").Case} given
   * @param {() => Size} still  the size of the stills; 0 while none is there
   */
  constructor(svg, video, { moments, width, height }, still) {
    this.#svg = svg;
    this.#video = video;
    this.#moments = moments;
    this.#size = () => [inVideo(video), still(), { width, height }].find((size) => size.width);
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("preserveAspectRatio", "none");
    new ResizeObserver(() => this.#fit()).observe(video);
    for (const type of ["loadedmetadata", "emptied"]) {
      video.addEventListener(type, () => this.#fit());
    }
  }

  /** @param {number} us */
  draw(us) {
    const seen = seenAt(this.#moments, us);
    const key = JSON.stringify(seen);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#fit();
    this.#svg.replaceChildren(...seen.flatMap(outline));
  }

  /** Over the picture, be it the video's or a still, not over the bars beside it. */
  #fit() {
    const { clientWidth, clientHeight, offsetLeft, offsetTop } = this.#video;
    const size = this.#size();
    if (!size) return;
    const scale = Math.min(clientWidth / size.width, clientHeight / size.height);
    const [width, height] = [size.width * scale, size.height * scale];
    Object.assign(this.#svg.style, {
      width: `${width}px`,
      height: `${height}px`,
      left: `${offsetLeft + (clientWidth - width) / 2}px`,
      top: `${offsetTop + (clientHeight - height) / 2}px`,
    });
  }
}

function inVideo({ videoWidth, videoHeight }) {
  return { width: videoWidth, height: videoHeight };
}

/**
 * What is seen best about now, and where.
 *
 * @param {import("./case.js").Moment[]} moments
 * @param {number} us
 */
export function seenAt(moments, us) {
  return moments.filter(({ box, best_us }) => box && Math.abs(best_us - us) <= HOLD_US);
}

/** In the colour of its family, which the style sheet names; with a halo, for dark pictures. */
function outline({ box, family }) {
  const colour = `family-${family.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return [rectangle(box, "halo"), rectangle(box, colour)];
}

function rectangle([x, y, width, height], name) {
  const drawn = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x, y, width, height, class: name })) {
    drawn.setAttribute(key, String(value));
  }
  return drawn;
}
