/** The page of an item: the screen, the decision, and what keeps both in touch with the server. */

import { Beats } from "./beats.js";
import { listenToButtons } from "./buttons.js";
import { readCase } from "./case.js";
import { DecisionForm } from "./decide.js";
import { openHelp } from "./help.js";
import { Hold } from "./hold.js";
import { listenToKeys } from "./keys.js";
import { Leaving } from "./leaving.js";
import { Live } from "./live.js";
import { meter } from "./meter.js";
import { nudge } from "./nudge.js";
import { Screen } from "./screen.js";
import { Segments } from "./segments.js";
import { say } from "./status.js";
import { UndoBar } from "./undo.js";

const given = readCase();
const video = document.getElementById("video"); // none where nobody could read the upload
const screen = video && new Screen(video, given);
const form = document.querySelector("form#decision"); // none where it is not theirs to decide
const segments = new Segments([...document.querySelectorAll("fieldset.segment")]);
const decision = form && new DecisionForm(form, segments, () => screen?.player.us ?? 0);
const hold = new Hold();
const undo = new UndoBar(given.undo_s);

/** The segment at hand is the one that the picture is in, or was sent to. */
function followSegments({ player, moments }) {
  moments.addEventListener("jump", () => {
    segments.choose(moments.current.segment);
    segments.mark(player.us);
  });
  player.addEventListener("move", () => segments.mark(player.us));
}

/** Tell the server what is watched; and of the work, where the item is theirs. */
function followWork() {
  const nothing = { take: () => ({ seconds: 0, unveiled_seconds: 0 }), putBack: () => {} };
  const watched = screen ? meter(screen.video, screen.veil, screen.stills) : nothing;
  const beats = new Beats(given.activity_url, watched, { held, lost: lose }, { keeps: given.held_by_me });
  beats.start();
  new Leaving(() => beats.flush());
}

/** @param {import("./beats.js").Held} answer */
function held(answer) {
  hold.last(answer.held_until);
  if (answer.pause && nudge(answer)) screen?.player.pause();
}

/** @param {string} why  who has the item now, as the server says it */
function lose(why) {
  screen?.player.pause();
  decision?.disable();
  document.getElementById("changed-submit")?.remove(); // what was typed can only be copied now
  say(why || "This item is not yours any more: go back to claim the next.", { problem: true });
}

/** Something else than this page moved the item on. */
function itemChanged({ id, version }) {
  if (id !== given.id || version === given.version) return;
  document.getElementById("changed").hidden = false;
  say("This item has changed: the top of the page has what to do.", { problem: true });
}

const acts = { ...screen?.acts, ...decision?.acts, undo: () => undo.take(), help: openHelp };
listenToKeys(acts, screen?.veil);
listenToButtons(acts);
if (screen) {
  followSegments(screen);
  screen.start();
}
followWork();
new Live(given.live_url, { item: itemChanged }).start();
document.body.dataset.scripts = "ready";

/** A page that comes back from history shows an item that may be somebody else's by now. */
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
