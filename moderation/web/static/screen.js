/** The screen: the video of an item, and all that moves with it. */

import { Boxes } from "./boxes.js";
import { showPressed } from "./buttons.js";
import { Moments } from "./moments.js";
import { Playback } from "./playback.js";
import { Player } from "./player.js";
import { say } from "./status.js";
import { Stills } from "./stills.js";
import { followTimeline } from "./timeline.js";
import { liftBy, Veil } from "./veil.js";

export class Screen {
  #given;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./case.js").Case} given
   */
  constructor(video, given) {
    this.#given = given;
    this.video = video;
    this.player = new Player(video, given);
    this.veil = new Veil(document.getElementById("stage"), video, given.defaults);
    this.moments = new Moments(this.player, given.moments);
    this.stills = new Stills(video, given.moments);
  }

  /** By what the keys and the buttons call them. */
  get acts() {
    const { player, veil } = this;
    return {
      play: () => player.toggle(),
      back: () => player.leap(-1),
      forward: () => player.leap(1),
      "frame-back": () => player.stepFrame(-1),
      "frame-forward": () => player.stepFrame(1),
      previous: () => this.#step(-1),
      next: () => this.#step(1),
      grey: () => veil.toggleGrey(),
      mute: () => player.toggleMute(),
      whole: () => this.#toggleWhole(),
    };
  }

  start() {
    followTimeline(this.player, this.#given.end_us);
    this.#followToggles();
    this.#drawBoxes();
    this.player.addEventListener("end", () =>
      say("The flagged parts are over. W plays the whole video."),
    );
    for (const button of document.querySelectorAll('button[data-act="unveil"]')) {
      liftBy(button, this.veil);
    }
    new Playback(this.video, this.player, this.stills, this.#given).start();
  }

  #step(direction) {
    if (this.moments.step(direction)) return;
    say(`There is no flagged moment ${direction > 0 ? "after" : "before"} this.`);
  }

  #toggleWhole() {
    this.player.toggleWhole();
    this.#showToggles();
    say(this.player.whole ? "The whole video plays." : "Only what was flagged plays.");
  }

  #followToggles() {
    const show = () => this.#showToggles();
    for (const type of ["play", "pause", "ended", "volumechange"]) {
      this.video.addEventListener(type, show);
    }
    this.veil.addEventListener("change", show);
    show();
  }

  #showToggles() {
    showPressed("play", this.player.playing);
    showPressed("mute", this.player.muted);
    showPressed("whole", this.player.whole);
    showPressed("grey", this.veil.grey);
    showPressed("unveil", this.veil.lifted);
    document.getElementById("stage").classList.toggle("whole", this.player.whole);
  }

  #drawBoxes() {
    const svg = document.getElementById("boxes");
    const boxes = new Boxes(svg, this.video, this.#given, () => this.stills.size);
    this.player.addEventListener("move", () => boxes.draw(this.player.us));
  }
}
