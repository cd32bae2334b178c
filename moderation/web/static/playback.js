/** Playback: where the video comes from, and what is done when it does not play. */

import { clock, SECOND } from "./clock.js";
import { Links } from "./links.js";
import { NoPreview, preview } from "./preview.js";
import { get, Unreachable } from "./send.js";
import { say } from "./status.js";

/** Milliseconds: a link that was renewed this shortly ago is not what is wrong. */
const RENEWED_MS = 10_000;

/** What plays or steps, and cannot without a video. */
const PLAYS = ["play", "back", "forward", "frame-back", "frame-forward", "mute", "whole"]
  .map((act) => `#player button[data-act="${act}"]`)
  .join();

export class Playback {
  #video;
  #player;
  #stills;
  #case;
  #links;
  #isPreview = false;
  #renewedAt = -Infinity;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./player.js").Player} player
   * @param {import("./stills.js").Stills} stills
   * @param {import("./case.js").Case} given
   */
  constructor(video, player, stills, given) {
    this.#video = video;
    this.#player = player;
    this.#stills = stills;
    this.#case = given;
    this.#links = new Links(given.links_url, given.link_s, (fresh) => this.#use(fresh));
  }

  start() {
    this.#video.addEventListener("error", () => this.#failed());
    this.#video.addEventListener("loadedmetadata", () => this.#loaded());
    this.#player.addEventListener("move", () => this.#stills.shown && this.#showStill());
    if (!this.#case.video) return this.#giveUp("The video is not there");
    this.#player.load(this.#case.video);
    this.#player.rewind();
    this.#links.keepUp();
  }

  /** @param {import("./links.js").Fresh} fresh */
  async #use(fresh) {
    this.#stills.relink(fresh);
    if (this.#stills.shown) this.#showStill();
    else if (this.#isPreview) await this.#loadPreview("This browser cannot play this video");
    else this.#player.load(fresh.video);
  }

  #loaded() {
    const isBlind = this.#case.has_video && this.#video.videoWidth === 0;
    if (isBlind) this.#replace("This browser cannot show the pictures of this video");
  }

  async #failed() {
    const { why, title } = await fault(this.#video);
    if (why) return this.#replace(why);
    if (performance.now() - this.#renewedAt < RENEWED_MS) {
      return this.#giveUp(`The video cannot be fetched${title && ` (${title})`}`);
    }
    this.#renewedAt = performance.now();
    return this.#links.renew();
  }

  /** Play a copy of it; once, for a copy that does not play either is not better the next time. */
  async #replace(why) {
    if (this.#isPreview) return this.#giveUp(why);
    this.#isPreview = true;
    this.#player.pause();
    say(`${why}; a copy that it can play is being made.`);
    if (await this.#loadPreview(why)) {
      say("A smaller copy of the video plays, for this browser cannot play the video itself.");
    }
  }

  async #loadPreview(why) {
    try {
      this.#player.load(await preview(this.#case.preview_url));
      return true;
    } catch (error) {
      if (!(error instanceof NoPreview || error instanceof Unreachable)) throw error;
      this.#giveUp(`${why}, and there is no copy (${error.message})`);
      return false;
    }
  }

  #giveUp(why) {
    document.getElementById("player").classList.add("unplayable");
    for (const button of document.querySelectorAll(PLAYS)) button.disabled = true;
    this.#video.removeAttribute("src");
    this.#video.load(); // which takes away what is left of it, so that the stills are seen
    this.#links.renew(); // which brings theirs
    this.#showStill();
    say(`${why}; decide by the stills.`, { problem: true });
  }

  #showStill() {
    this.#stills.show(this.#player.us);
  }
}

/**
 * What is wrong with the video itself; nothing where its link, the server or the network is, of
 * which the server may give a title.
 *
 * @param {HTMLVideoElement} video
 */
async function fault({ error, currentTime, src }) {
  if (error?.code === MediaError.MEDIA_ERR_DECODE) {
    const from = clock(currentTime * SECOND);
    return { why: `This browser cannot play this video from ${from} on`, title: "" };
  }
  const { ok, title } = await answerOf(src);
  const isNetwork = error?.code === MediaError.MEDIA_ERR_NETWORK;
  return { why: ok && !isNetwork ? "This browser cannot play this video" : "", title };
}

/** Whether the server gives it at all, and why not: the element does not tell. */
async function answerOf(url) {
  try {
    const { ok, content } = await get(url, { Range: "bytes=0-0" });
    return { ok, title: content?.title ?? "" };
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    return { ok: false, title: error.message };
  }
}
