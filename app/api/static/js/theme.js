/** Light or dark: the system's, until somebody chooses here. */

const system = matchMedia("(prefers-color-scheme: dark)");

/** Wires the button that changes over. */
export function installTheme(button) {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("kavox-theme", root.dataset.theme);
    } catch {
      // It holds for this page then.
    }
    show();
  });
  system.addEventListener("change", show);
  show();
}
