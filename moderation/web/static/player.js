/** The player: one video, kept to its windows until the whole of it is asked for. */

import { SECOND } from "./clock.js";
import { Leap } from "./leap.js";
import { Windows } from "./windows.js";

/** Seconds: a float that ends just below a frame's time shows the frame before it. */
const SLACK_S = 0.001;

/** Frames per second where nobody knows. */
const USUAL_FPS = 25;

/** Tells `move` when the picture's time changes, and `end` after the last window. */
export class Player extends EventTarget {
  #video;
  #windows;
  #case;
  #leap = new Leap();
  #whole = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./case.js").Case} given
   */
  constructor(video, given) {
    super();
    this.#video = video;
    this.#case = given;
    this.#windows = new Windows(given.windows);
    video.muted = given.defaults.mute;
    video.disablePictureInPicture = true; // a window of its own would show it without the veil
    video.disableRemotePlayback = true; // and so would another screen
    for (const type of ["timeupdate", "seeking", "seeked"]) {
      video.addEventListener(type, () => this.#moved());
    }
    video.addEventListener("play", () => this.#follow());
    document.addEventListener("visibilitychange", () => document.hidden && this.pause());
  }

  get us() {
    return Math.round(this.#video.currentTime * SECOND);
  }

  get playing() {
    return !this.#video.paused && !this.#video.ended;
  }

  get muted() {
    return this.#video.muted;
  }

  get whole() {
    return this.#whole;
  }

  /** Take the video from another link, at the place where it is. */
  load(url) {
    const { playing } = this;
    const seconds = this.#video.currentTime;
    this.#video.preload = "metadata";
    this.#video.src = url;
    this.#video.currentTime = seconds;
    if (playing) this.play();
  }

  /** Stand before the first window, so that playing begins there. */
  rewind() {
    this.seek(this.#confined ? this.#windows.first : 0);
  }

  /** @param {number} us */
  seek(us) {
    const within = Math.min(Math.max(0, us), this.#case.duration_us);
    this.#video.currentTime = within / SECOND + SLACK_S;
    this.#tell("move");
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (!this.#video.hasAttribute("src")) return;
    if (this.#confined) this.#enter();
    // A play that is cut short by a pause or by a new link is no fault; real ones come as `error`.
    this.#video.play().catch(() => {});
  }

  pause() {
    this.#video.pause();
  }

  /** @param {1 | -1} direction */
  leap(direction) {
    const step = this.#leap.next(direction, performance.now()) * SECOND;
    const to = Math.max(0, this.us + step);
    if (!this.#confined) this.seek(to);
    else if (direction < 0) this.seek(this.#windows.back(to, -step));
    else this.seek(this.#windows.forward(to) ?? this.#windows.end);
  }

  /** @param {1 | -1} direction */
  stepFrame(direction) {
    this.pause();
    this.seek(this.us + (direction * SECOND) / (this.#case.fps || USUAL_FPS));
  }

  toggleMute() {
    this.#video.muted = !this.#video.muted;
  }

  toggleWhole() {
    this.#whole = !this.#whole;
    this.#moved();
  }

  get #confined() {
    return !this.#whole && !this.#windows.empty;
  }

  #enter() {
    const from = this.#windows.forward(this.us) ?? this.#windows.first;
    if (from !== this.us) this.seek(from);
  }

  /** As often as the screen is drawn: `timeupdate` comes so seldom that windows would be left. */
  #follow() {
    this.#moved();
    if (this.playing) requestAnimationFrame(() => this.#follow());
  }

  #moved() {
    if (this.#confined && this.playing && !this.#windows.contains(this.us)) this.#goOn();
    this.#tell("move");
  }

  #goOn() {
    const next = this.#windows.forward(this.us);
    if (next !== null) return this.seek(next);
    this.pause();
    this.seek(this.#windows.end);
    this.#tell("end");
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
