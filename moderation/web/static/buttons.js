/** The buttons: the same acts as the keys. */

/** @param {Record<string, () => void>} acts  by the buttons' `data-act` */
export function listenToButtons(acts) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    letGo(button, event);
    if (!submitsItself(button)) acts[button.dataset.act]?.();
  });
}

/** @param {string} act  @param {boolean} on */
export function showPressed(act, on) {
  for (const button of document.querySelectorAll(`button[data-act="${act}"]`)) {
    button.setAttribute("aria-pressed", String(on));
  }
}

/** After a click by mouse the next Space plays; else it would press the same button again. */
function letGo(button, event) {
  if (event.detail > 0 && !button.closest("dialog")) button.blur();
}

function submitsItself(button) {
  return button.type === "submit" && button.form !== null;
}
