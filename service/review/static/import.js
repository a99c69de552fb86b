// The upload page: files can be dropped, and sending one shows how far it is. Without this it is a plain form.
function prepare() {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const drop = form.querySelector("[data-drop]");
  const input = form.querySelector("input[type=file]");
  const sending = form.querySelector("[data-sending]");
  const said = form.querySelector("[data-sent]");
  form.querySelector("[data-drop-words]").hidden = false;

  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });

  form.addEventListener("submit", (event) => {
    const file = input.files[0];
    if (!file) return;
    event.preventDefault();
    sending.hidden = false;
    if (file.size > Number(input.dataset.max)) {
      said.textContent = "This file is larger than what is taken here. Pack it as .gz, or send it in parts.";
      return;
    }
    const button = form.querySelector("button.primary");
    button.disabled = true;
    const bar = sending.querySelector("progress");
    said.textContent = "Sending …";
    const call = new XMLHttpRequest();
    call.open("POST", form.action);
    call.setRequestHeader("Accept", "text/html");
    call.upload.addEventListener("progress", (moved) => {
      if (moved.lengthComputable) bar.value = moved.loaded / moved.total;
      if (moved.loaded === moved.total) said.textContent = "Looking at it …";
    });
    call.addEventListener("load", () => {
      if (call.status < 400) {
        location.assign(call.responseURL);
        return;
      }
      const answer = new DOMParser().parseFromString(call.responseText, "text/html");
      document.querySelector("main").replaceWith(answer.querySelector("main"));
      prepare();
      document.querySelector("[role=alert]")?.focus();
    });
    call.addEventListener("error", () => {
      said.textContent = "The connection broke off. Send it again.";
      button.disabled = false;
    });
    call.send(new FormData(form));
  });
}

prepare();
