// A change of period, filter, figure or tab without a full load: the server sends the parts of the page that differ
// and each takes the place of its old self. Any trouble, and the browser simply goes to the address.
const SHOWN_AFTER = 150; // ms; quicker answers need no sign of waiting

let running = null;

function focusKey() {
  return document.activeElement?.closest("[data-keep]")?.dataset.keep;
}

function place(part, background) {
  const old = document.querySelector(`[data-part="${part.dataset.part}"]`);
  if (!old || old.innerHTML === part.innerHTML) return;
  const isInUse = old.querySelector("details[open]") || old.contains(document.querySelector("input:focus"));
  if (background && isInUse) return;
  old.replaceChildren(...part.childNodes);
}

function swap(html, background = false) {
  const kept = focusKey();
  const parts = new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-part]");
  for (const part of parts) place(part, background);
  if (kept && focusKey() !== kept) document.querySelector(`[data-keep="${CSS.escape(kept)}"]`)?.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("figures", { detail: { background } }));
}

function busy(part, isBusy) {
  const waiting = part === "figures" ? "[data-busy]" : `#${part}[data-busy]`;
  for (const panel of document.querySelectorAll(waiting)) {
    isBusy ? panel.setAttribute("aria-busy", "true") : panel.removeAttribute("aria-busy");
  }
}

async function fetchParts(url, part, signal) {
  const { search } = new URL(url, location.href);
  const answer = await fetch(`${document.body.dataset.parts}/${part}${search}`, { signal });
  if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`); // logged out, or refused: the page itself says why
  return answer.text();
}

export async function go(url, part = "figures", push = true) {
  if (!document.body.dataset.parts) return location.assign(url); // a page that is only ever loaded whole
  running?.abort();
  const own = (running = new AbortController());
  const sign = setTimeout(() => busy(part, true), SHOWN_AFTER);
  try {
    const html = await fetchParts(url, part, own.signal);
    if (push) history.pushState({ part }, "", url);
    swap(html);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
  } finally {
    clearTimeout(sign);
    if (running === own) {
      running = null;
      busy(part, false);
    }
  }
}

export const isBusy = () => running !== null;

/** The figures again, quietly: what the reader is using stays, and a failure is silent until the next turn. */
export async function refresh() {
  const asked = location.href;
  const html = await fetchParts(asked, "figures");
  if (!running && location.href === asked) swap(html, true);
}

function onClick(event) {
  const row = event.target.closest("tr");
  const link = event.target.closest("a") || row?.querySelector(".row-link");
  if (!link?.dataset.soft || event.defaultPrevented || event.button !== 0 || event.shiftKey || event.altKey) return;
  const excludes = event.ctrlKey || event.metaKey;
  if (excludes && !link.dataset.exclude) return; // the browser's own: a new tab
  event.preventDefault();
  go(excludes ? link.dataset.exclude : link.href, link.dataset.soft);
}

function onSubmit(event) {
  const form = event.target;
  if (!form.dataset.softForm) return;
  event.preventDefault();
  go(`${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`, form.dataset.softForm);
  form.closest("details")?.removeAttribute("open");
}

function onTabKey(event) {
  const tab = event.target.closest?.(".tab");
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!tab || !step) return;
  const tabs = [...tab.parentElement.querySelectorAll(".tab")];
  const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
}

export function startSoft() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", onTabKey);
  addEventListener("popstate", () => go(location.href, "figures", false));
}
