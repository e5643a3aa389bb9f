// Menus are <details>: they open without a script. Here: one at a time, closed by Esc, an outside press or a choice.
const MENU = "details[data-menu]";

export const openMenu = () => document.querySelector(`${MENU}[open]`);

export function closeMenus(except = null) {
  for (const menu of document.querySelectorAll(`${MENU}[open]`)) {
    if (menu !== except) menu.open = false;
  }
}

function onKey(event) {
  const menu = event.target.closest?.(`${MENU}[open]`) || openMenu();
  if (!menu) return;
  if (event.key === "Escape") {
    event.stopImmediatePropagation(); // Esc clears the filters only when nothing is open
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && !event.target.matches("input, select")) {
    event.preventDefault();
    move(menu, event.key === "ArrowDown" ? 1 : -1);
  }
}

function move(menu, step) {
  const items = [...menu.querySelectorAll(".menu-item")];
  const at = items.indexOf(document.activeElement);
  items[(at + step + items.length) % items.length]?.focus();
}

export function startMenus() {
  const onToggle = (event) => event.target.open && event.target.matches(MENU) && closeMenus(event.target);
  document.addEventListener("toggle", onToggle, true); // it does not bubble
  document.addEventListener("pointerdown", (event) => closeMenus(event.target.closest(MENU)));
  document.addEventListener("click", (event) => event.target.closest(".menu-item") && closeMenus());
  document.addEventListener("keydown", onKey);
}
