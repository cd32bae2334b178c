/** Signing in by the link that the server printed: its code never leaves in an address. */

const form = document.querySelector("form#sign-in");
const code = new URLSearchParams(location.hash.slice(1)).get("code");

if (code) {
  // Not kept in the browser's history either.
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = code;
  form.requestSubmit();
}
