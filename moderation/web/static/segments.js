/** The segments of the verdict: which one a person is about to judge. */

import { clock } from "./clock.js";

export class Segments {
  #fields;
  #chosen = null;

  /** @param {HTMLElement[]} fields  one `fieldset.segment` for each, with its times */
  constructor(fields) {
    this.#fields = fields;
  }

  /** @param {number} index  of the segment that was jumped to, -1 for none */
  choose(index) {
    this.#chosen = document.getElementById(`segment-${index}`) ?? this.#chosen;
  }

  /**
   * The one that was jumped to while the picture is in it, else the last that began, else the
   * one that was jumped to.
   *
   * @param {number} us
   * @returns {HTMLElement | null}
   */
  at(us) {
    if (this.#chosen && covers(this.#chosen, us)) return this.#chosen;
    return this.#fields.findLast((field) => covers(field, us)) ?? this.#chosen;
  }

  /** Show which one it is. */
  mark(us) {
    const current = this.at(us);
    for (const field of this.#fields) field.classList.toggle("current", field === current);
  }
}

/** @param {HTMLElement} field  @returns {string} as the status line names it */
export function nameOf(field) {
  const number = Number(field.id.replace("segment-", "")) + 1;
  const { startUs, endUs } = field.dataset;
  return `segment ${number}, ${clock(Number(startUs))} to ${clock(Number(endUs))}`;
}

function covers(field, us) {
  return Number(field.dataset.startUs) <= us && us <= Number(field.dataset.endUs);
}
