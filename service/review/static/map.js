// Rows of the map are put in another order by dragging; the arrows beside do the same by keyboard and without script.
const form = document.getElementById("arrange");
const body = document.querySelector(".map.arranging tbody");
let dragged = null;

function clear() {
  for (const row of body.rows) row.classList.remove("before", "behind-it", "dragged");
}

function place(event) {
  const row = event.target.closest("tr");
  if (!row || row === dragged) return null;
  const box = row.getBoundingClientRect();
  return { row, behind: event.clientY > box.top + box.height / 2 };
}

if (form && body) {
  for (const row of body.rows) row.draggable = true;
  body.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("tr");
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.row);
  });
  body.addEventListener("dragover", (event) => {
    const to = place(event);
    if (!dragged) return;
    event.preventDefault();
    for (const row of body.rows) row.classList.remove("before", "behind-it");
    if (to) to.row.classList.add(to.behind ? "behind-it" : "before");
  });
  body.addEventListener("dragend", () => {
    clear();
    dragged = null;
  });
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    const to = place(event);
    if (!dragged || !to) return;
    to.row[to.behind ? "after" : "before"](dragged);
    form.elements.row.value = dragged.dataset.row;
    form.elements.order.value = [...body.rows].map((row) => row.dataset.row).join("\n");
    form.submit();
  });
}
