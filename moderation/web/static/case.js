/**
 * The case: what the server tells of the item on the page. Times are whole microseconds.
 *
 * @typedef {[left: number, top: number, width: number, height: number]} Box
 *   in fractions of the picture
 *
 * @typedef {object} Moment
 * @property {number} start_us
 * @property {number} end_us
 * @property {number} best_us  where it is seen best
 * @property {string} label
 * @property {string} family  of the label
 * @property {string} detector
 * @property {number} score
 * @property {number} segment  of the verdict, -1 for none
 * @property {boolean} asked  whether a rule fired on it; others were seen besides
 * @property {Box | null} box  where in the picture, at its best
 *
 * @typedef {object} Case
 * @property {string} id
 * @property {number} version
 * @property {boolean} held_by_me
 * @property {number} duration_us
 * @property {number} end_us  of the timeline: evidence may lie beyond the video
 * @property {number} fps  0 where nobody knows
 * @property {number} width  of the picture, 0 where nobody knows
 * @property {number} height
 * @property {boolean} has_video
 * @property {boolean} has_audio
 * @property {string} video  a link that ends soon, empty for none
 * @property {number} link_s  seconds for which links are good
 * @property {string} links_url
 * @property {string} preview_url  of a copy for browsers that cannot play the video
 * @property {string} activity_url
 * @property {string} live_url
 * @property {[number, number][]} windows  what was flagged and a little around it
 * @property {Moment[]} moments  in time order
 * @property {{blur: boolean, grey: boolean, mute: boolean}} defaults
 * @property {number} undo_s
 */

/** @returns {Case} */
export function readCase() {
  return JSON.parse(document.getElementById("case").textContent);
}
