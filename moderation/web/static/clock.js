/** Media time as people read it. */

export const SECOND = 1_000_000;

/**
 * @param {number} us
 * @returns {string} "1:02.345", with hours where there are any
 */
export function clock(us) {
  const ms = Math.max(0, Math.floor(us / 1000));
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = ((ms % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}
