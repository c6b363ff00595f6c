// Light and dark; the start of the page.

const night = matchMedia("(prefers-color-scheme: dark)");
function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : night.matches;
}
function showTheme() {
  $("theme").setAttribute("aria-pressed", String(isDark()));
}
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
night.addEventListener("change", showTheme);

new ResizeObserver(() => {
  if (fitted) fit();
}).observe(canvas);

showTheme();
controls();
welcome();
fit();
document.documentElement.dataset.ready = "true";
