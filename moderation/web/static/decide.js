/** The decision: what the keys and buttons put into its form. */

import { nameOf } from "./segments.js";
import { say } from "./status.js";

/** What the status line says of each. */
const OUTCOMES = {
  uphold: "Uphold: what the verdict says is there",
  overturn: "Overturn: it is not there, or breaks no rule",
  partial: "Partial: some segments are right",
  escalate: "Escalate: somebody with a higher role decides",
  skip: "Skip: the item goes back to the queue",
};

const JUDGEMENTS = { confirm: "Confirmed", reject: "Rejected" };

const REMEDIES = { none: "no remedy", blur: "blur", mute: "mute", cut: "cut" };

export class DecisionForm {
  #form;
  #segments;
  #now;
  #isOver = false;
  #opened = performance.now();

  /**
   * @param {HTMLFormElement} form
   * @param {import("./segments.js").Segments} segments
   * @param {() => number} now  where the picture is, in microseconds
   */
  constructor(form, segments, now) {
    this.#form = form;
    this.#segments = segments;
    this.#now = now;
    form.addEventListener("submit", () => this.#time());
  }

  /** By what the keys and the buttons call them. */
  get acts() {
    const chosen = Object.keys(OUTCOMES).map((name) => [`choose-${name}`, () => this.#choose(name)]);
    return {
      ...Object.fromEntries(chosen),
      "confirm-blur": () => this.#judge("confirm", "blur"),
      "confirm-mute": () => this.#judge("confirm", "mute"),
      "confirm-cut": () => this.#judge("confirm", "cut"),
      reject: () => this.#judge("reject", "none"),
      skip: () => this.#submitAtOnce("skip"),
      escalate: () => this.#submitAtOnce("escalate"),
      note: () => this.#form.elements.note.focus(),
      submit: () => this.#submit(),
    };
  }

  /** @param {keyof OUTCOMES} outcome */
  #choose(outcome) {
    const radio = this.#form.querySelector(`[name="outcome"][value="${outcome}"]`);
    if (this.#isOver) return;
    radio.checked = true;
    say(`${OUTCOMES[outcome]}. Enter submits it.`);
  }

  /**
   * Judge the segment at hand.
   *
   * @param {"confirm" | "reject"} judgement
   * @param {keyof REMEDIES} remedy
   */
  #judge(judgement, remedy) {
    if (this.#isOver) return;
    const field = this.#segments.at(this.#now());
    if (!field) return say("No segment is here: go to one with [ or ].", { problem: true });
    pick(field, "judgement", judgement);
    pick(field, "remedy", remedy);
    say(`${JUDGEMENTS[judgement]}, ${REMEDIES[remedy]}: ${nameOf(field)}.`);
  }

  #submit() {
    if (this.#isOver) return;
    if (!this.#form.querySelector("[name=outcome]:checked")) {
      return say("Choose an outcome first, 1 to 5.", { problem: true });
    }
    this.#form.requestSubmit();
  }

  /** By the form's own button, which asks for nothing else. */
  #submitAtOnce(act) {
    const button = this.#form.querySelector(`button[data-act="${act}"]`);
    if (!this.#isOver) this.#form.requestSubmit(button);
  }

  /** Nothing can be decided here any more; what was written stays to be read and copied. */
  disable() {
    this.#isOver = true;
    for (const control of this.#form.elements) {
      if (control.type === "textarea") control.readOnly = true;
      else control.disabled = true;
    }
  }

  /** Seconds since the page was opened. */
  #time() {
    const { elapsed } = this.#form.elements;
    if (elapsed) elapsed.value = ((performance.now() - this.#opened) / 1000).toFixed(1);
  }
}

function pick(field, what, value) {
  const select = field.querySelector(`select[name="${field.id}-${what}"]`);
  if (select) select.value = value;
}
