/** The status line: what happened, for eyes and for screen readers. */

/**
 * @param {string} text
 * @param {{problem?: boolean}} [how]  a problem stays visible as one
 */
export function say(text, { problem = false } = {}) {
  const line = document.getElementById("status");
  if (!line) return;
  line.classList.toggle("problem", problem);
  line.textContent = text;
}
