/** Elements made of data. Whatever comes from elsewhere becomes text or an attribute's value, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * An element. `onclick` and its like are listeners, false and null leave an attribute out, strings among the children
 * become text.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for parts of a picture. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** What the service wrote, with what it put between backticks as code. */
export const prose = (text) => text.split("`").map((part, place) => (place % 2 ? h("code", {}, part) : part));

/** A line of facts about something; those that are null are left out. */
export const metaOf = (...facts) =>
  h(
    "p",
    { class: "meta" },
    facts.filter(Boolean).map((fact) => (typeof fact === "string" ? h("span", {}, fact) : fact)),
  );

/** Shows the text in the element, or hides it where there is none. */
export function showText(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

/** Fills a select with [value, label] pairs, or { label, options } for groups; what was chosen stays if it is there. */
export function fillSelect(select, entries, wanted = select.value) {
  const option = ([value, label]) => h("option", { value }, label);
  select.replaceChildren(
    ...entries.map((entry) =>
      Array.isArray(entry) ? option(entry) : h("optgroup", { label: entry.label }, ...entry.options.map(option)),
    ),
  );
  const values = [...select.options].map(({ value }) => value);
  select.value = values.includes(wanted) ? wanted : (values[0] ?? "");
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
