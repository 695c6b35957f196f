"use strict";
// Tables can be read without this; with it, a press on a column's title sorts: up, down, as it was.
const NUMBER = /^[<+-]?\d+(\.\d+)?(e[+-]?\d+)?(?=[\s†%]|$)/i;
const number = (text) => {
  const found = text.replace(/−/g, "-").match(NUMBER);
  return found ? parseFloat(found[0].replace("<", "")) : NaN;
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
      table.classList.toggle("sorted", order !== null);
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

// On paper no lid can be lifted: what is closed is printed too, but for figures in words, and closed again.
let lifted = [];
addEventListener("beforeprint", () => {
  lifted = [...document.querySelectorAll("details:not([open])")].filter((lid) => !lid.closest("figure"));
  lifted.forEach((lid) => { lid.open = true; });
});
addEventListener("afterprint", () => lifted.forEach((lid) => { lid.open = false; }));
