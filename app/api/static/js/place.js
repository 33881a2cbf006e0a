/** What is real and what is emulated here, and whether the service is ready: always in sight. */

import { contentOf, send } from "./api.js";
import { byId, showText } from "./dom.js";

const PLACES = {
  real: {
    label: "Kaggle",
    note: "Texts go to Kaggle in private notebooks of this service's account, which are deleted after each run.",
  },
  emulated: {
    label: "Emulated Kaggle",
    note: "Kaggle is emulated: notebooks run on this machine, and quota and sessions are the emulator's own.",
  },
};

/** Looks and shows it; answers whether Kaggle is emulated, null where the service does not say. */
export async function showPlace() {
  let state = null;
  try {
    state = await contentOf(await send("GET", "readyz", { keyless: true }), "json");
  } catch (problem) {
    // Not ready is an answer too.
    state = problem.body?.kaggle ? problem.body : null;
    const goesOn = problem.status === 0 ? " This page goes on by itself once it does." : "";
    const trouble = problem.detail + goesOn;
    showText(byId("trouble"), state ? `Not ready. ${state.missing.join(" ")}` : trouble);
  }
  if (state?.ready) showText(byId("trouble"), "");
  if (!state) return null;
  const { mode } = state.kaggle;
  const { label, note } = PLACES[mode];
  for (const id of ["place", "place-note"]) byId(id).dataset.mode = mode;
  byId("place").lastElementChild.textContent = label;
  showText(byId("place-note"), note);
  const badge = byId("quota-mode");
  badge.dataset.kind = mode;
  showText(badge, mode === "emulated" ? "Emulated" : "Kaggle");
  return mode === "emulated";
}
