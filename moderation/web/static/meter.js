/** The meter: tells the exposure what the video and the veil do. */

import { Exposure } from "./exposure.js";

/**
 * @param {HTMLVideoElement} video
 * @param {import("./veil.js").Veil} veil
 * @param {import("./stills.js").Stills} stills
 * @returns {{take: () => import("./exposure.js").Beat, putBack: (beat: import("./exposure.js").Beat) => void}}
 */
export function meter(video, veil, stills) {
  const exposure = new Exposure();
  let playing = false;
  const note = () => {
    const unveiled = playing ? veil.lifted : isLookedAt(video, veil, stills);
    exposure.note(now(), { playing, unveiled });
  };
  const play = (on) => {
    playing = on;
    note();
  };
  video.addEventListener("playing", () => play(true));
  for (const type of ["pause", "waiting", "ended", "emptied", "error"]) {
    video.addEventListener(type, () => play(false));
  }
  for (const type of ["loadeddata", "seeked"]) video.addEventListener(type, note);
  veil.addEventListener("change", note);
  document.addEventListener("visibilitychange", note);
  return { take: () => exposure.take(now()), putBack: (beat) => exposure.putBack(beat) };
}

/** A still picture, for which somebody lifts the veil; else nobody may be there at all. */
function isLookedAt(video, veil, stills) {
  const isThere = stills.shown || video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  return isThere && veil.isHeld && !document.hidden;
}

function now() {
  return performance.now() / 1000;
}
