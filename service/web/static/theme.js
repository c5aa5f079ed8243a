// Before the first paint: the theme and the hiding of amounts that were chosen.
(() => {
  const root = document.documentElement;
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  if (localStorage.getItem("incognito") === "yes") root.classList.add("incognito");
  root.classList.add("js");
})();
