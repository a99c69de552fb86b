// Moments are written in the workspace's zone, which is named; here they become the reader's own.
const whole = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

function own(root) {
  for (const one of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(one.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    one.title = one.textContent;
    one.textContent = (one.dataset.moment === "clock" ? clock : whole).format(moment);
    delete one.dataset.moment;
  }
}

own(document);
// what arrives while the page is open
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) if (node instanceof Element) own(node.parentElement || node);
}).observe(document.body, { childList: true, subtree: true });
