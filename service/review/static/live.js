// What arrives, or how far a file is, appears by itself for half an hour; code can be copied with one click.
const part = document.querySelector("[data-live]");
const every = 2000;
const until = Date.now() + 30 * 60 * 1000;
let shown = part ? part.textContent : "";

// the page that shows a new address is the answer to a form: loaded again it would make a second one
const madeAddress = document.querySelector("[data-own-address]");
if (madeAddress) history.replaceState(null, "", madeAddress.dataset.ownAddress);

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const text = await answer.text();
        const now = new DOMParser().parseFromString(text, "text/html").body;
        const plain = now.textContent.replace(/Looked at .*/, "").trim();
        // an unchanged list is left alone: it would be read out again, and open selections would be lost
        if (plain !== shown) {
          part.replaceChildren(...now.childNodes);
          shown = plain;
        }
        if (part.querySelector("[data-ended]")) {
          location.reload(); // once: the page then shows what became of it, and asks no more
          return;
        }
      } else if (answer.status === 401 || answer.status === 404) {
        return;
      }
    } catch {
      // the service is away for a moment: asked again below
    }
  }
  if (Date.now() < until) setTimeout(look, every);
}

if (part) {
  shown = shown.replace(/Looked at .*/, "").trim();
  setTimeout(look, every);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C";
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    }
  });
}
