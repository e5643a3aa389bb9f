// Single keys. Never while typing, never with a modifier, off when the reader says so (WCAG 2.1.4).
import { openMenu } from "./menus.js";

const SWITCH = "footfall-keys";

const areOn = () => {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true;
  }
};

const isTyping = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
const moves = (target) => target.closest?.(".tabs, canvas, .segmented, details[open]"); // arrows belong to these

const press = (selector) => document.querySelector(selector)?.click();

function nextInterval() {
  const choices = [...document.querySelectorAll('[aria-label="Interval"] a')];
  const at = choices.findIndex((choice) => choice.hasAttribute("aria-current"));
  choices[(at + 1) % choices.length]?.click();
}

function customDays() {
  const menu = document.querySelector('[data-menu="period"]');
  if (!menu) return;
  menu.open = true;
  menu.querySelector('input[name="from"]').focus();
}

function showHelp() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
}

const NAMED = {
  "?": showHelp,
  "/": () => document.querySelector("[data-search]")?.focus(),
  c: customDays,
  i: nextInterval,
};

function onKey(event) {
  if (!areOn() && event.key !== "Escape") return;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key.startsWith("Arrow") && (moves(event.target) || openMenu())) return;
  if (NAMED[key]) {
    event.preventDefault();
    NAMED[key]();
  } else if (/^[0-9]$/.test(key)) {
    press(`[data-digit="${key}"]`);
  } else if (/^([a-z]|Arrow(Left|Right)|Escape)$/.test(key)) {
    press(`[data-key="${key.length === 1 ? key.toUpperCase() : key}"]`);
  }
}

function startSwitch() {
  const box = document.getElementById("keys-on");
  if (!box) return;
  box.checked = areOn();
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(SWITCH, box.checked ? "on" : "off");
    } catch {
      box.checked = true; // cannot be remembered, so the keys stay on
    }
  });
}

export function startShortcuts() {
  startSwitch();
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-help]")) showHelp();
    const dialog = event.target.closest("dialog");
    if (dialog && (event.target === dialog || event.target.closest("[data-close-dialog]"))) dialog.close();
  });
}
