/** The timeline and all else that carries a time: a click goes there, the playhead follows. */

import { clock } from "./clock.js";

/**
 * @param {import("./player.js").Player} player
 * @param {number} durationUs
 */
export function followTimeline(player, durationUs) {
  document.addEventListener("click", (event) => {
    const us = timeOf(event, durationUs);
    if (us !== null) player.seek(us);
  });
  const draw = () => showTime(player.us, durationUs);
  player.addEventListener("move", draw);
  draw();
}

/**
 * @param {MouseEvent} event
 * @param {number} durationUs
 * @returns {number | null} where the click goes to, if it is about a time
 */
function timeOf(event, durationUs) {
  const named = event.target.closest("[data-seek-us]");
  if (named) return Number(named.dataset.seekUs);
  const seek = event.target.closest("#seek");
  if (!seek) return null;
  const { left, width } = seek.getBoundingClientRect();
  return Math.round(((event.clientX - left) / width) * durationUs);
}

function showTime(us, durationUs) {
  const head = document.getElementById("playhead");
  const share = durationUs ? Math.min(1, us / durationUs) : 0;
  if (head) head.style.left = `${share * 100}%`;
  const time = document.getElementById("time");
  if (time) time.textContent = `${clock(us)} / ${clock(durationUs)}`;
}
