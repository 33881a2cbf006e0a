/** The account's week and its sessions as pictures, and what is kept. */

import { byId, h, s } from "./dom.js";
import { at, bytes, counted, duration, hours } from "./format.js";

/** Draws what GET /quota says. */
export function showQuota({ gpu, kavox }) {
  const place = byId("quota");
  if (!gpu)
    return place.replaceChildren(
      h("p", { class: "empty" }, "Nothing has been read from Kaggle yet. This page looks again by itself."),
    );
  const total = gpu.allowed_seconds || 1;
  const ours = Math.min(kavox.seconds, gpu.used_seconds);
  const parts = [
    { kind: "ours", name: "Kavox", seconds: ours },
    { kind: "others", name: "Other notebooks", seconds: Math.max(0, gpu.used_seconds - ours) },
    { kind: "reserved", name: "Sessions under way", seconds: gpu.reserved_seconds },
    { kind: "kept", name: "Kept for the owner", seconds: Math.min(gpu.reserve_seconds, gpu.remaining_seconds) },
    { kind: "free", name: "Free", seconds: gpu.available_seconds },
  ].filter(({ seconds }) => seconds > 0);
  place.replaceChildren(
    h("div", { class: "week" }, ring(parts, total, gpu), h("dl", {}, parts.map(legend))),
    h("p", { class: "hint" }, `New week on ${at(gpu.refreshes_at)}${gpu.stale ? ". These figures are old." : "."}`),
  );
}

/** Draws which sessions are taken. */
export function showSessions({ gpu, own_gpu: own, cpu }) {
  byId("sessions").replaceChildren(
    slots("GPU sessions", gpu, "chip"),
    slots("Runs without GPU", cpu, "chip small"),
    ...(own.open ? [slots("Your own GPUs", own, "chip")] : []),
  );
}

/** Says what GET /cache says. */
export function showKept({ enabled, entries, bytes: size, hits, shared, gpu_seconds_saved: saved }) {
  if (enabled && !entries && !hits)
    return void (byId("kept").textContent =
      "The same request again is answered at once, with speech that is kept here.");
  byId("kept").textContent = enabled
    ? [
        `${counted(entries, "clip")}, ${bytes(size)}.`,
        hits + shared ? `${counted(hits + shared, "job")} answered without speaking anew.` : "",
        saved ? `${duration(saved)} of GPU saved.` : "",
      ].join(" ")
    : "Nothing is kept: KAVOX_CACHE_MAX_MEGABYTES is 0.";
}

function ring(parts, total, { available_seconds: free, allowed_seconds: allowed }) {
  let from = 0;
  const arcs = parts.map(({ kind, seconds }) => {
    const share = (100 * seconds) / total;
    const arc = s("circle", {
      class: `arc ${kind}`,
      cx: 50,
      cy: 50,
      r: 42,
      pathLength: 100,
      "stroke-dasharray": `${share} ${100 - share}`,
      "stroke-dashoffset": String(-from),
    });
    from += share;
    return arc;
  });
  return s(
    "svg",
    {
      class: "ring",
      viewBox: "0 0 100 100",
      role: "img",
      "aria-label": `${hours(free)} of ${hours(allowed)} free this week`,
    },
    s("circle", { class: "arc track", cx: 50, cy: 50, r: 42 }),
    s("g", { transform: "rotate(-90 50 50)" }, arcs),
    s("text", { x: 50, y: 47, class: "figure" }, hours(free)),
    s("text", { x: 50, y: 64, class: "of" }, `of ${hours(allowed)}`),
  );
}

const legend = ({ kind, name, seconds }) =>
  h(
    "div",
    {},
    h("dt", {}, h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), name),
    h("dd", {}, seconds < 360 ? duration(seconds) : hours(seconds)),
  );

function slots(name, { open, limit }, kind) {
  const chips = Array.from({ length: limit }, (_, place) =>
    h("span", { class: `${kind}${place < open ? " taken" : ""}` }, chip()),
  );
  return h(
    "div",
    { class: "slots" },
    h("div", { class: "chips", role: "img", "aria-label": `${name}: ${open} of ${limit} taken` }, chips),
    h("p", {}, name, h("span", { class: "hint" }, `${open} of ${limit} taken`)),
  );
}

const chip = () =>
  s(
    "svg",
    { viewBox: "0 0 24 24" },
    s("path", { class: "pins", d: "M9 2v4M15 2v4M9 18v4M15 18v4M2 9h4M2 15h4M18 9h4M18 15h4" }),
    s("rect", { class: "body", x: 5, y: 5, width: 14, height: 14, rx: 2.5 }),
  );
