// Deciding by keyboard: a key chooses in the current field and goes on, Enter saves, s skips, z takes back.
const form = document.querySelector("form[data-decide]");
const fields = form ? [...form.querySelectorAll("fieldset")] : [];
let at = 0;
let sent = false;

function go(to) {
  at = Math.max(0, Math.min(fields.length, to));
  fields.forEach((one, number) => one.classList.toggle("current", number === at));
  const field = fields[at];
  if (!field) {
    form.querySelector("button.primary").focus();
    return;
  }
  (field.querySelector("input:checked") || field.querySelector("input")).focus({ preventScroll: true });
  field.scrollIntoView({ block: "nearest" });
}

if (form) {
  fields.forEach((field, number) =>
    field.addEventListener("focusin", () => {
      at = number;
      fields.forEach((one, other) => one.classList.toggle("current", other === at));
    }),
  );
  // a second press of Enter before the next page is there would decide the same item again
  form.addEventListener("submit", (event) => (sent ? event.preventDefault() : (sent = true)));
  go(0);
}

document.addEventListener("keydown", (event) => {
  if (sent) return;
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input:not([type=radio]), textarea, select")) return;
  if (event.key === "z") {
    document.querySelector("form[data-undo]")?.requestSubmit();
  } else if (event.key === "s") {
    document.querySelector("a[data-skip]")?.click();
  } else if (!form) {
    return;
  } else if (event.key === "Enter" && event.target.matches("input, body")) {
    form.requestSubmit();
  } else if (event.key === "ArrowDown") {
    go(at + 1);
  } else if (event.key === "ArrowUp") {
    go(at - 1);
  } else {
    const chosen = [...(fields[at]?.querySelectorAll("input") || [])].find((one) => one.dataset.key === event.key);
    if (!chosen) return;
    chosen.checked = true;
    go(at + 1);
  }
  if (event.key !== "s" && event.key !== "z") event.preventDefault();
});
