// Every page with a frame: menus, drawer, theme, shortcuts.
import { startDrawer } from "./drawer.js";
import { startMenus } from "./menus.js";
import { startShortcuts } from "./shortcuts.js";
import { startThemeSwitch } from "./theme-switch.js";

function startScrollEdge() {
  const mark = () => document.body.classList.toggle("scrolled", scrollY > 4);
  addEventListener("scroll", mark, { passive: true });
  mark();
}

startThemeSwitch();
startMenus();
startDrawer();
startShortcuts();
startScrollEdge();
