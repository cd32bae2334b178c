/** Every page but an item's: the live count, undo, and the keys for them. */

import { listenToButtons } from "./buttons.js";
import { openHelp } from "./help.js";
import { listenToKeys } from "./keys.js";
import { Live } from "./live.js";
import { UndoBar } from "./undo.js";
import { followWaiting } from "./work.js";

/** Seconds, where the bar does not say; the server has the last word. */
const UNDO_S = 10;

const undo = new UndoBar(UNDO_S);
const acts = { undo: () => undo.take(), help: openHelp };
listenToKeys(acts);
listenToButtons(acts);

const { liveUrl } = document.body.dataset;
if (liveUrl) new Live(liveUrl, { queue: followWaiting }).start();
document.body.dataset.scripts = "ready";
