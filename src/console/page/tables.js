// A table whose rows are renewed in place, so that focus and selection stay where they are. Knows nothing of what it shows.

import { part, say } from "./elements.js";

export class Table {
  #columns;
  #body = document.createElement("tbody");
  #headers = new Map();
  #empty;

  /**
   * `columns`: `{ name, cell(row), className?, order?, act? }`. `cell` answers text. `order`: what `onOrder` is called with when
   * the header is pressed. `act(row)`: what pressing the cell does.
   */
  constructor(table, columns, { empty, onOrder }) {
    this.#columns = columns;
    this.#empty = empty;
    const head = columns.map(({ name, className = "", order }) => {
      const header = part("th", className, order ? "" : name);
      header.scope = "col";
      if (!order) return header;
      const button = part("button", "sort", name);
      button.type = "button";
      button.addEventListener("click", () => onOrder(order));
      header.append(button);
      this.#headers.set(order, header);
      return header;
    });
    const top = document.createElement("thead");
    top.append(part("tr", "", "", head));
    table.append(top, this.#body);
  }

  ordered(order) {
    for (const [name, header] of this.#headers) {
      header.ariaSort = name === order ? (name === "name" ? "ascending" : "descending") : null;
    }
  }

  show(rows) {
    const { children } = this.#body;
    const count = Math.max(rows.length, 1);
    while (children.length > count) this.#body.lastElementChild.remove();
    if (rows.length === 0) return this.#showEmpty();
    if (children[0]?.className === "none") this.#body.replaceChildren();
    for (const [index, row] of rows.entries()) {
      const line = children[index] ?? this.#addLine();
      line.shown = row;
      line.className = row.className ?? "";
      for (const [place, { cell }] of this.#columns.entries()) {
        const box = line.children[place];
        say(box.firstElementChild ?? box, cell(row));
      }
    }
  }

  #addLine() {
    const line = document.createElement("tr");
    for (const { className = "", act } of this.#columns) {
      const box = part("td", className);
      if (act) {
        const button = part("button", "plain");
        button.type = "button";
        button.addEventListener("click", () => act(line.shown));
        box.append(button);
      }
      line.append(box);
    }
    this.#body.append(line);
    return line;
  }

  #showEmpty() {
    const box = part("td", "small", this.#empty);
    box.colSpan = this.#columns.length;
    this.#body.replaceChildren(part("tr", "none", "", [box]));
  }
}
