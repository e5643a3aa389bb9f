// Runs in <head>, before the first paint, so that a dark page never flashes white. The only classic script of ours.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const choice = () => {
    try {
      return localStorage.getItem("footfall-theme") || "system";
    } catch {
      return "system"; // storage can be refused
    }
  };

  const apply = () => {
    const wanted = choice();
    const theme = wanted === "system" ? (system.matches ? "dark" : "light") : wanted;
    if (root.dataset.theme === theme && root.dataset.choice === wanted) return;
    root.dataset.theme = theme;
    root.dataset.choice = wanted;
    root.dispatchEvent(new CustomEvent("themechange"));
  };

  root.classList.add("js");
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply); // another tab chose
  addEventListener("themechoice", apply);
})();
