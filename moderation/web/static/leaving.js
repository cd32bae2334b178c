/** Leaving: a form that takes the page away is sent once, after what has to arrive before it. */

/** Milliseconds for which a form waits: a slow server must not keep anybody from deciding. */
const PATIENCE_MS = 1_000;

/** Milliseconds after which a form may be sent again, for whoever stopped the browser loading. */
const STOPPED_MS = 5_000;

export class Leaving {
  #flush;
  #state = "here";

  /** @param {() => Promise<void> | null} flush  sends what has to arrive; null for nothing */
  constructor(flush) {
    this.#flush = flush;
    document.addEventListener("submit", (event) => this.#submitted(event));
  }

  #submitted(event) {
    if (event.target.method === "dialog") return;
    if (this.#state === "here") this.#flushBefore(event);
    else if (this.#state === "flushed") this.#go();
    else event.preventDefault(); // pressed twice
  }

  #flushBefore(event) {
    const flushed = this.#flush();
    if (!flushed) return this.#go();
    event.preventDefault();
    this.#state = "flushing";
    Promise.race([flushed, wait(PATIENCE_MS)]).then(() => {
      this.#state = "flushed";
      event.target.requestSubmit(event.submitter);
    });
  }

  #go() {
    this.#state = "gone";
    wait(STOPPED_MS).then(() => (this.#state = "here"));
  }
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
