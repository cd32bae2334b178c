/** Boxes: where in the picture something was seen, drawn over it at its time. */

const SVG = "http://www.w3.org/2000/svg";

/** Microseconds around a box's time: it is known for one frame, and things move. */
const HOLD_US = 500_000;

export class Boxes {
  #svg;
  #video;
  #moments;
  #drawn = "[]";

  /**
   * @param {SVGSVGElement} svg
   * @param {HTMLVideoElement} video
   * @param {import("./case.js").Moment[]} moments
   */
  constructor(svg, video, moments) {
    this.#svg = svg;
    this.#video = video;
    this.#moments = moments;
    svg.setAttribute("viewBox", "0 0 1 1");
    svg.setAttribute("preserveAspectRatio", "none");
    new ResizeObserver(() => this.#fit()).observe(video);
    video.addEventListener("loadedmetadata", () => this.#fit());
  }

  /** @param {number} us */
  draw(us) {
    const seen = seenAt(this.#moments, us);
    const key = JSON.stringify(seen);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#svg.replaceChildren(...seen.flatMap(outline));
  }

  /** Over the picture, not over the bars beside it. */
  #fit() {
    const { videoWidth, videoHeight, clientWidth, clientHeight, offsetLeft, offsetTop } = this.#video;
    if (!videoWidth) return;
    const scale = Math.min(clientWidth / videoWidth, clientHeight / videoHeight);
    const [width, height] = [videoWidth * scale, videoHeight * scale];
    Object.assign(this.#svg.style, {
      width: `${width}px`,
      height: `${height}px`,
      left: `${offsetLeft + (clientWidth - width) / 2}px`,
      top: `${offsetTop + (clientHeight - height) / 2}px`,
    });
  }
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
