/** Asks for an API key where the service wants one. It is kept for this tab, and sent in a header, never an address. */

import { forgetKey, hasKey, onKeyWanted } from "./api.js";
import { byId, showText } from "./dom.js";

/** Wires the dialog and the button that forgets the key. */
export function installKey() {
  const [dialog, form, input, forget] = ["key-dialog", "key-form", "key", "forget-key"].map(byId);
  const error = form.querySelector(".error");
  let given = null;

  onKeyWanted((wrong) => {
    showText(error, wrong ? "That key is not one of this service's." : "");
    input.value = "";
    dialog.showModal();
    return new Promise((resolve) => (given = resolve));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // What no header can carry is no key.
    if (!/^[\x21-\x7e]+$/.test(input.value.trim())) return showText(error, "Enter a key.");
    const give = given;
    given = null;
    dialog.close();
    give(input.value.trim());
    forget.hidden = false;
  });
  // Without a key there is nothing to see. Browsers let Esc be prevented once at most, and so it is asked for again.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => {
    if (given && !dialog.open) dialog.showModal();
  });
  forget.addEventListener("click", () => {
    forgetKey();
    location.reload();
  });
  forget.hidden = !hasKey();
}
