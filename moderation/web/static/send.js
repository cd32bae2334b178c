/** What the page sends and asks by itself. */

/** The server could not be reached. */
export class Unreachable extends Error {}

/**
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {number} status
 * @property {any} content  of its JSON, null for none
 */

/**
 * @param {string} url
 * @param {object} content
 * @param {{keepalive?: boolean}} [how]  keepalive: it is to arrive though the page goes away
 * @returns {Promise<Answer>}
 */
export function post(url, content, { keepalive = false } = {}) {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  return ask(url, {
    method: "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRF-Token": token,
    },
    body: JSON.stringify(content),
    keepalive,
  });
}

/**
 * @param {string} url
 * @param {Record<string, string>} [headers]
 * @returns {Promise<Answer>}
 */
export function get(url, headers = {}) {
  const how = { headers: { Accept: "application/json", ...headers }, cache: "no-store" };
  return ask(url, how);
}

async function ask(url, how) {
  const response = await reach(url, how);
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const content = isJson ? await response.json() : null;
  return { ok: response.ok, status: response.status, content };
}

async function reach(url, how) {
  try {
    return await fetch(url, how);
  } catch {
    throw new Unreachable("the server cannot be reached");
  }
}
