/** Tells people who listen to the page what those who look at it see happen. */

import { byId } from "./dom.js";

/** Says it once the reader is through with what it says now. */
export function announce(text) {
  const live = byId("live");
  if (live.textContent !== text) live.textContent = text;
}
