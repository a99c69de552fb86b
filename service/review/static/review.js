// Deciding by keyboard: a key chooses in the current field and goes on, Enter saves, s skips, z takes back.
// The next item is fetched while this one is read and stands there at once; what the service answers to the
// decision then takes the place of what was shown before, or only of the counts where it is the same item.
let form, fields, at, ahead;
let sent = false;

const idOf = (root) => root.querySelector("form[data-decide] [name=item]")?.value;
const parsed = (text) => new DOMParser().parseFromString(text, "text/html").querySelector("main");

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

async function fetchAhead(link) {
  try {
    const answer = await fetch(link.href);
    return answer.ok ? parsed(await answer.text()) : null;
  } catch {
    return null; // the service is away: deciding says so
  }
}

function begin() {
  form = document.querySelector("form[data-decide]");
  fields = form ? [...form.querySelectorAll("fieldset")] : [];
  at = 0;
  ahead = null;
  const link = document.querySelector("a[data-skip]");
  if (link) fetchAhead(link).then((page) => (ahead = page));
  if (!form) return;
  fields.forEach((field, number) =>
    field.addEventListener("focusin", () => {
      at = number;
      fields.forEach((one, other) => one.classList.toggle("current", other === at));
    }),
  );
  form.addEventListener("submit", decide);
  go(0);
}

function show(page) {
  document.querySelector("main").replaceChildren(...page.childNodes);
  begin();
}

async function decide(event) {
  event.preventDefault();
  if (sent) return; // a second press before the answer is there would decide the same item again
  sent = true;
  const said = new URLSearchParams(new FormData(form));
  const answer = fetch(form.action, { method: "POST", body: said });
  if (ahead && idOf(ahead)) show(ahead);
  try {
    const found = await answer;
    const page = parsed(await found.text());
    const here = idOf(document);
    if (found.ok && page && here && here === idOf(page)) {
      // the item stands there already, perhaps with labels chosen: only what is around it is new
      for (const part of ["nav.views", ".note", "aside"]) swap(part, page);
      for (const one of page.querySelectorAll("form[data-decide] > input[type=hidden]")) form.elements[one.name].value = one.value;
      const skip = page.querySelector("a[data-skip]");
      if (skip) document.querySelector("a[data-skip]").href = skip.href;
    } else if (page) {
      show(page);
    }
    if (found.ok) history.replaceState(null, "", found.url);
  } catch {
    location.reload(); // the service is away: the browser says so, and the item waits
  }
  sent = false;
}

function swap(part, page) {
  const old = document.querySelector(part);
  const now = page.querySelector(part);
  if (old && now) old.replaceWith(now);
  else if (now) document.querySelector("section.one > p").after(now);
  else old?.remove();
}

begin();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input:not([type=radio]), textarea, select")) return;
  if (event.key === "z") {
    if (!sent) document.querySelector("form[data-undo]")?.requestSubmit();
  } else if (event.key === "s") {
    if (!sent) document.querySelector("a[data-skip]")?.click();
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
