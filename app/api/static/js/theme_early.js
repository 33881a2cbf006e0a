// Before the first paint, and so no module: a theme that was chosen must not flash up in the other one.
try {
  const chosen = localStorage.getItem("kavox-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing follows the system's theme.
}
