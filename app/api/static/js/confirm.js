/** Asks before something is deleted for good. */

import { byId } from "./dom.js";

/** Whether whoever is asked wants it. */
export function confirmDeletion(title, text) {
  const dialog = byId("confirm-dialog");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}
