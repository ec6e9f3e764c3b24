"use strict";
// Sorts and filters tables. Without it every table is complete, in the order of the report.
const FILTERED_FROM = 8;

function numberOf(cell) {
  const stated = cell.dataset.n;
  if (stated !== undefined) return stated === "nan" ? NaN : Number(stated.replace("inf", "Infinity"));
  const found = cell.textContent.replace(/,/g, "").match(/^[#+]?\s*(-?\d+(\.\d+)?(e[+-]?\d+)?)/i);
  return found ? Number(found[1]) : NaN;
}

function compare(one, two, sign) {
  const a = numberOf(one), b = numberOf(two);
  if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
  const order = Number.isNaN(a) ? one.textContent.localeCompare(two.textContent, "en") : a - b;
  return sign * order;
}

function sortBy(table, head) {
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.sort((a, b) => compare(a.cells[head.cellIndex], b.cells[head.cellIndex], sign));
    body.append(...rows);
  }
}

function filterBy(table, words, told) {
  let shown = 0, all = 0;
  for (const body of table.tBodies) {
    let here = 0;
    for (const row of body.rows) {
      if (row.classList.contains("group")) continue;
      const found = words.every((word) => row.textContent.toLowerCase().includes(word));
      row.hidden = !found;
      here += found;
      all += 1;
    }
    body.hidden = !here;
    shown += here;
  }
  told.textContent = words.length ? `${shown} of ${all} rows` : "";
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head));
  }
  const rows = table.querySelectorAll("tbody tr:not(.group)").length;
  if (rows < FILTERED_FROM) continue;
  const label = document.createElement("label"), field = document.createElement("input");
  const told = document.createElement("output");
  label.className = "filter";
  field.type = "search";
  label.append("Filter rows ", field, " ", told);
  field.addEventListener("input", () =>
    filterBy(table, field.value.toLowerCase().split(/\s+/).filter(Boolean), told));
  table.parentElement.before(label);
}

// A link to a row that a filter hides, or that is folded away, shows it.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
    if (node.hidden) node.hidden = false;
  }
  target.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
