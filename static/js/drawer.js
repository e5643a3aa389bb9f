// The sidebar as a drawer on narrow screens. Without this it opens by its address (#menu) alone.
export function startDrawer() {
  const drawer = document.getElementById("menu");
  if (!drawer) return;
  let opener = null;

  const open = (button) => {
    opener = button;
    drawer.classList.add("open");
    drawer.querySelector("a, button, summary").focus();
  };
  const close = () => {
    drawer.classList.remove("open");
    opener?.focus();
    opener = null;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-drawer]");
    if (!button) return;
    event.preventDefault();
    button.dataset.drawer === "open" ? open(button) : close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drawer.classList.contains("open")) {
      event.stopImmediatePropagation();
      close();
    }
  });
  drawer.addEventListener("focusout", (event) => {
    const left = event.relatedTarget && !drawer.contains(event.relatedTarget);
    if (left && drawer.classList.contains("open")) close();
  });
}
