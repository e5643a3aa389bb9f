// The three-part switch light, dark, as the system.
const root = document.documentElement;

function mark() {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === root.dataset.choice));
  }
}

function choose(theme) {
  try {
    localStorage.setItem("footfall-theme", theme);
  } catch {
    return; // without storage the system's theme stays
  }
  dispatchEvent(new Event("themechoice"));
}

export function startThemeSwitch() {
  mark();
  root.addEventListener("themechange", mark);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) choose(button.dataset.themeChoice);
  });
}
