// Makes and finds elements. Whatever came over the wire becomes text here, never markup.

export const $ = (id) => document.getElementById(id);

/** What the node wrote into the page: `token`, `key`, `socket`. */
export const settings = new Set(document.documentElement.dataset.settings.split(" "));

export function part(tag, className, text = "", children = []) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  element.append(...children);
  return element;
}

const svgNamespace = "http://www.w3.org/2000/svg";

export function drawn(tag, attributes) {
  const element = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Assigns only what differs, so that neither a selection nor a screen reader is disturbed by what stays the same. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const shownFrames = 100;
const shownLetters = 1_000;

/** Puts a frame on top of a list of frames. `direction`: `in`, `out`, or `note` for what is no frame. */
export function logFrame(list, direction, frame) {
  const text = typeof frame === "string" ? frame : JSON.stringify(frame, null, 1).replaceAll(/\n */g, " ");
  const shown = text.length > shownLetters ? `${text.slice(0, shownLetters)}…` : text;
  list.prepend(part("li", direction, "", [part("span", "", shown)]));
  if (list.children.length > shownFrames) list.lastElementChild.remove();
}
