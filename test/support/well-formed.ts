// Whether a page's tags are closed in the order in which they were opened and its attributes and entities are whole: what an XML parser insists on.

const token = /<!DOCTYPE html>|<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|[^<]+|</y;

/** An empty string, or what is wrong and where. */
export function wellFormed(text: string): string {
  const open: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    const near = JSON.stringify(text.slice(at, at + 80));
    if (match === null || match[0] === "<") return `no tag at ${near}`;
    const [whole, closing, name, attributes = "", isEmpty] = match;
    if (name === undefined) {
      if (/&(?!(?:amp|lt|gt|quot|#39);)/.test(whole)) return `a bare & in ${near}`;
    } else if (closing === "/") {
      const expected = open.pop();
      if (expected !== name) return `</${name}> where </${expected}> is due, at ${near}`;
    } else {
      if (/&(?!(?:amp|lt|gt|quot|#39);)/.test(attributes)) return `a bare & in ${near}`;
      const names = [...attributes.matchAll(/\s([\w:-]+)="/g)].map(([, attribute]) => attribute);
      if (new Set(names).size < names.length) return `an attribute twice in ${near}`;
      if (isEmpty !== "/") open.push(name);
    }
  }
  return open.length === 0 ? "" : `never closed: ${open.join(", ")}`;
}
