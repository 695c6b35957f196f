"use strict";
// Sorts a table when a column's title is pressed: ascending, descending, original order.
const NUMBER = /^[<+-]?\d+(\.\d+)?(e[+-]?\d+)?(?=[\s†%]|$)/i;
const number = (text) => {
  const match = text.replace(/−/g, "-").match(NUMBER);
  return match ? parseFloat(match[0].replace("<", "")) : NaN;
};
const compare = (a, b, numeric) => (numeric ? number(a) - number(b) : a.localeCompare(b, "en", { numeric: true }));

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const titles = [...table.tHead.rows[0].cells];
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[title.getAttribute("aria-sort")];
      const order = next === undefined ? "ascending" : next;
      titles.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) title.setAttribute("aria-sort", order);
      const texts = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
      const numeric = [...texts.values()].some((text) => !Number.isNaN(number(text)));
      const known = (row) => texts.get(row) !== "" && !(numeric && Number.isNaN(number(texts.get(row))));
      const sign = order === "descending" ? -1 : 1;
      const sorted = order === null ? rows : [
        ...rows.filter(known).sort((a, b) => sign * compare(texts.get(a), texts.get(b), numeric)),
        ...rows.filter((row) => !known(row)),
      ];
      body.append(...sorted);
    });
  });
}

// Collapsed parts are expanded for printing, except a figure's alternative text, and collapsed afterwards.
let expanded = [];
addEventListener("beforeprint", () => {
  expanded = [...document.querySelectorAll("details:not([open])")].filter((part) => !part.closest("figure"));
  expanded.forEach((part) => { part.open = true; });
});
addEventListener("afterprint", () => expanded.forEach((part) => { part.open = false; }));
