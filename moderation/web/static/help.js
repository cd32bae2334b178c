/** Help: the dialog that lists the keys. */

export function openHelp() {
  document.getElementById("help")?.showModal();
}
