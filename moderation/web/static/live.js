/** Live: what the server tells by itself while a page is open. */

/** Milliseconds until a stream that the server refused is asked for again. */
const AGAIN_MS = 15_000;

export class Live {
  #url;
  #told;
  #source = null;

  /**
   * @param {string} url
   * @param {object} told
   * @param {(waiting: number) => void} [told.queue]
   * @param {(item: {id: string, state: string, version: number}) => void} [told.item]
   */
  constructor(url, { queue = () => {}, item = () => {} } = {}) {
    this.#url = url;
    this.#told = { queue, item };
  }

  /** Only while the page is seen: a browser keeps few connections to one server for all tabs. */
  start() {
    document.addEventListener("visibilitychange", () => this.#follow());
    window.addEventListener("pagehide", () => this.#close());
    this.#follow();
  }

  #follow() {
    if (document.hidden) this.#close();
    else if (!this.#source) this.#open();
  }

  #open() {
    this.#source = new EventSource(this.#url);
    this.#source.addEventListener("queue", ({ data }) => this.#queue(JSON.parse(data)));
    this.#source.addEventListener("item", ({ data }) => this.#told.item(JSON.parse(data)));
    this.#source.addEventListener("error", () => this.#failed());
  }

  #queue({ waiting }) {
    showWaiting(waiting);
    this.#told.queue(waiting);
  }

  /** The browser connects again by itself unless the server said no. */
  #failed() {
    if (this.#source?.readyState !== EventSource.CLOSED) return;
    this.#close();
    setTimeout(() => this.#follow(), AGAIN_MS);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }
}

/** @param {number} waiting  items */
function showWaiting(waiting) {
  for (const place of document.querySelectorAll("[data-waiting]")) {
    place.textContent = String(waiting);
  }
}
