/** Work: the card of what waits, which says how many in a sentence. */

/** @param {number} waiting  items: where the card says another number, a new one is fetched */
export async function followWaiting(waiting) {
  const card = document.querySelector("section.start[data-open]");
  if (!card || Number(card.dataset.open) === waiting) return;
  card.dataset.open = String(waiting); // asked for once, whatever the answer says
  const fresh = await freshCard();
  if (!fresh || !card.isConnected) return;
  const hadFocus = card.contains(document.activeElement);
  card.replaceWith(fresh);
  if (hadFocus) fresh.querySelector("button, a.button")?.focus();
}

/** @returns {Promise<Element | null>} null where the server does not give it: the old one stays */
async function freshCard() {
  try {
    const response = await fetch("/work", { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!response.ok) return null;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.querySelector("section.start");
  } catch {
    return null;
  }
}
