/** The keys: what each does, and where it does nothing. */

/** By `KeyboardEvent.key` in lower case: layouts differ in where a sign is, not in what it is. */
export const KEYS = Object.freeze({
  " ": "play",
  k: "play",
  j: "back",
  l: "forward",
  ",": "frame-back",
  ".": "frame-forward",
  "[": "previous",
  "]": "next",
  1: "choose-uphold",
  2: "choose-overturn",
  3: "choose-partial",
  4: "choose-escalate",
  5: "choose-skip",
  6: "confirm-blur",
  7: "confirm-mute",
  8: "confirm-cut",
  9: "reject",
  s: "skip",
  e: "escalate",
  u: "undo",
  g: "grey",
  m: "mute",
  w: "whole",
  n: "note",
  enter: "submit",
  "?": "help",
});

const LIFTS = "b";

/** What a key goes on doing while it is held; the others would flicker. */
const REPEATS = new Set([
  "back",
  "forward",
  "frame-back",
  "frame-forward",
  "previous",
  "next",
]);

const FIELD =
  "textarea, select, [contenteditable], " +
  "input:not([type=radio]):not([type=checkbox]):not([type=button]):not([type=submit])";

/** What Enter and Space press by themselves. */
const PRESSED = "button, a[href], summary, input[type=button], input[type=submit]";

const TICKED = "input[type=radio]:not(:checked), input[type=checkbox]";

/**
 * @param {Record<string, () => void>} acts  by the names in `KEYS`; those that are missing do nothing
 * @param {import("./veil.js").Veil} [veil]
 */
export function listenToKeys(acts, veil) {
  document.addEventListener("keydown", (event) => pressed(event, acts, veil));
  document.addEventListener("keyup", (event) => lower(event) === LIFTS && veil?.drop());
  document.addEventListener("focusin", (event) => event.target.matches(FIELD) && veil?.drop());
}

function pressed(event, acts, veil) {
  if (event.key === "Escape") return leaveField(event.target);
  if (isElsewhere(event)) return veil?.drop();
  if (lower(event) === LIFTS) return veil?.lift();
  const name = KEYS[lower(event)];
  if (!acts[name] || isNative(event)) return;
  event.preventDefault();
  if (!event.repeat || REPEATS.has(name)) acts[name]();
}

/** Meant for the browser, a text field or a dialog. */
function isElsewhere(event) {
  return (
    withModifier(event) ||
    event.isComposing ||
    event.target.closest(FIELD) !== null ||
    document.querySelector("dialog[open]") !== null
  );
}

/** AltGr writes signs such as [ on many keyboards, and shows as Ctrl and Alt. */
function withModifier(event) {
  if (event.getModifierState("AltGraph")) return false;
  return event.ctrlKey || event.altKey || event.metaKey;
}

/** Whoever goes through the page by Tab presses what is focused. */
function isNative(event) {
  const { key, target } = event;
  if (key !== " " && key !== "Enter") return false;
  return target.matches(PRESSED) || (key === " " && target.matches(TICKED));
}

function leaveField(target) {
  if (target.matches(FIELD)) target.blur();
}

function lower(event) {
  return event.key.toLowerCase();
}
