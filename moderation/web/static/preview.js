/** A preview: the server's copy of a video that the browser cannot play. */

import { get, post } from "./send.js";

/** Milliseconds between two looks at whether it is ready. */
const EVERY_MS = 2_000;

/** There is none; the message says why. */
export class NoPreview extends Error {}

/**
 * Have one made, unless there is one.
 *
 * @param {string} url
 * @returns {Promise<string>} a link to it
 */
export async function preview(url) {
  let answer = await post(url, {});
  while (answer.ok && answer.content.state === "making") {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    answer = await get(url);
  }
  const { video, reason, title } = answer.content ?? {};
  if (!video) throw new NoPreview(reason || title || `the server answers ${answer.status}`);
  return video;
}
