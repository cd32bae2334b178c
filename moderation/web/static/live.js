/** Live: what the server tells by itself while a page is open. */

/** Milliseconds until a stream that the server refused is asked for again. */
const AGAIN_MS = 15_000;

export class Live {
  #url;
  #itemChanged;
  #source = null;

  /**
   * @param {string} url
   * @param {(item: {id: string, state: string, version: number}) => void} [itemChanged]
   */
  constructor(url, itemChanged = () => {}) {
    this.#url = url;
    this.#itemChanged = itemChanged;
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
    this.#source.addEventListener("queue", ({ data }) => showWaiting(JSON.parse(data).waiting));
    this.#source.addEventListener("item", ({ data }) => this.#itemChanged(JSON.parse(data)));
    this.#source.addEventListener("error", () => this.#failed());
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
