// Pages without a frame: log-in and errors.
import { startThemeSwitch } from "./theme-switch.js";

function startReveal() {
  const button = document.querySelector("[data-reveal]");
  if (!button) return;
  const field = document.getElementById(button.dataset.reveal);
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    field.focus();
  });
}

startThemeSwitch();
startReveal();
