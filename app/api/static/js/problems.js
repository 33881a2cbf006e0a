/** Shows what is wrong with a form at the fields that it is about. */

import { showText } from "./dom.js";

/** Takes away what was said before. */
export function clearProblems(form) {
  for (const field of form.querySelectorAll("[data-field]")) mark(field, "");
  showText(form.querySelector(".form-error"), "");
}

/** Shows the problem; with `focus` whoever types is taken to its first field. */
export function showProblem(form, problem, { focus = true } = {}) {
  clearProblems(form);
  const strayed = [];
  let first = null;
  for (const { field, detail } of problem.errors.length ? problem.errors : [{ field: "", detail: problem.detail }]) {
    const place = field && form.querySelector(`[data-field="${CSS.escape(field)}"]`);
    if (place) first ??= mark(place, detail);
    else strayed.push(field ? `${field}: ${detail}` : detail);
  }
  showText(form.querySelector(".form-error"), strayed.join(" "));
  if (focus && first) {
    const folded = first.closest("details");
    if (folded) folded.open = true;
    first.focus();
  }
}

/** Says one thing about one field. */
export function showFieldProblem(form, field, detail) {
  showProblem(form, { errors: [{ field, detail }], detail });
}

function mark(field, detail) {
  const [error, control] = [field.querySelector(".error"), field.querySelector("input, select, textarea")];
  showText(error, detail);
  error.id ||= `error-${field.closest("form").id}-${field.dataset.field}`;
  const described = (control.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== error.id);
  if (detail) described.push(error.id);
  control.setAttribute("aria-describedby", described.join(" "));
  control.toggleAttribute("aria-invalid", false);
  if (detail) control.setAttribute("aria-invalid", "true");
  return control;
}
