// Labels by key on an item's page: 1–9 choose in the select that has the focus and go on to the next one.
for (const form of document.querySelectorAll("form[data-labels]")) {
  const fields = [...form.querySelectorAll("select")];
  form.addEventListener("keydown", (event) => {
    const at = fields.indexOf(event.target);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey || !/^[1-9]$/.test(event.key)) return;
    const choices = [...fields[at].options].filter((one) => one.value && one.value !== "–");
    const chosen = choices[Number(event.key) - 1];
    if (!chosen) return;
    event.preventDefault();
    chosen.selected = true;
    (fields[at + 1] || form.querySelector("button")).focus();
  });
}
