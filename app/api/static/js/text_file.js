/** Texts from files: chosen, or dropped on the text box. */

const MOST_BYTES = 1_000_000;

/** Wires them. `loaded()` is called with the text in its place, `refused(detail)` where a file is none. */
export function installTextFile({ area, button, input, loaded, refused }) {
  const take = async (file) => {
    if (file.size > MOST_BYTES)
      return refused(`${file.name} is no text that could be spoken at once: it is larger than 1 MB.`);
    try {
      area.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()).replaceAll("\r\n", "\n");
    } catch {
      return refused(`${file.name} is not UTF-8 text. Save it as UTF-8 and load it again.`);
    }
    area.focus();
    loaded();
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  });
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    area.addEventListener(name, (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      area.classList.add("dropping");
    });
  }
  for (const name of ["dragleave", "drop"]) area.addEventListener(name, () => area.classList.remove("dropping"));
  area.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
