/** The nudge: a dialog that proposes a pause. */

/** Milliseconds between two: often enough to be heard, seldom enough not to be clicked away. */
const EVERY_MS = 15 * 60_000;

const REMEMBERED = "nudged-at";

/**
 * @param {import("./beats.js").Held} exposure
 * @returns {boolean} whether it is proposed now
 */
export function nudge({ today_s, cap_s }) {
  const dialog = document.getElementById("nudge");
  const last = Number(sessionStorage.getItem(REMEMBERED));
  if (!dialog || dialog.open || Date.now() - last < EVERY_MS) return false;
  sessionStorage.setItem(REMEMBERED, String(Date.now()));
  const text = document.getElementById("nudge-text");
  const cap = cap_s ? ` of ${minutes(cap_s)}` : "";
  text.textContent = `Watched today, by weight: ${minutes(today_s)}${cap} minutes.`;
  dialog.showModal();
  return true;
}

function minutes(seconds) {
  return Math.round(seconds / 60);
}
