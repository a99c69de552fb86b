// Deciding by keyboard: j and k choose a suggestion, a accepts, e edits, r rejects, s puts off, w names who
// owns it, o opens, z takes back; in the short list u unfolds.
const list = [...document.querySelectorAll("[data-suggestion]")];
const keys = document.querySelector("details[data-keys]");
let at = list.length === 1 ? 0 : -1;
let sent = false;

function choose(to) {
  at = Math.max(0, Math.min(list.length - 1, to));
  list.forEach((one, number) => one.classList.toggle("current", number === at));
  if (!list[at]) return;
  list[at].scrollIntoView({ block: "nearest" });
  list[at].querySelector("h2, h1, a, button")?.closest("[data-suggestion]").focus({ preventScroll: true });
}

function decide(name) {
  const forms = [...(list[at]?.querySelectorAll(".decide form") || [])];
  const form = forms.find((one) => one.querySelector("[name=decision]")?.value === name);
  if (!form) return false;
  const asks = form.closest("details:not([data-unfold])"); // the row's own fold asks nothing
  if (asks) {
    const row = asks.closest("details[data-unfold]");
    if (row) row.open = true;
    asks.open = true;
    form.querySelector("textarea, input:not([type=hidden]), button").focus();
  } else {
    form.requestSubmit();
  }
  return true;
}

const does = {
  j: () => choose(at + 1),
  k: () => choose(at - 1),
  a: () => decide("accept"),
  e: () => decide("edit"),
  r: () => decide("reject"),
  s: () => decide("snooze"),
  w: () => decide("note"),
  u: () => {
    if (at < 0) choose(0);
    const row = list[at]?.querySelector("details[data-unfold]");
    if (row) row.open = !row.open;
  },
  o: () => list[at]?.querySelector("a[data-open]")?.click(),
  z: () => document.querySelector("form[data-undo]")?.requestSubmit(),
  "?": () => keys && (keys.open = !keys.open),
};

function unfoldNamed() {
  // a number of the chart leads to its row, which is a closed line in the short list
  const named = location.hash && document.getElementById(location.hash.slice(1));
  const row = named && named.querySelector("details[data-unfold]");
  if (row) row.open = true;
}
addEventListener("hashchange", unfoldNamed);
unfoldNamed();

for (const form of document.forms) {
  // a second press before the next page is there would decide again
  form.addEventListener("submit", (event) => (sent ? event.preventDefault() : (sent = form.method === "post")));
}

document.addEventListener("keydown", (event) => {
  if (sent || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") {
      event.target.closest("details")?.removeAttribute("open");
      choose(at);
    }
    return;
  }
  if (!(event.key in does)) return;
  if ("aersw".includes(event.key) && at < 0) choose(0); // first show which one it would be
  else does[event.key]();
  event.preventDefault();
});
