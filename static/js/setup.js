// The set-up page: copies the snippet, and notices the first event by itself.
const LOOK_EVERY = 2000;

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  await navigator.clipboard.writeText(text);
  const words = button.querySelector("[data-words]");
  const before = words.textContent;
  words.textContent = "Copied";
  setTimeout(() => (words.textContent = before), 2000);
}

function startCopy() {
  if (!navigator.clipboard) return document.querySelectorAll("[data-copy]").forEach((button) => button.remove()); // plain http
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
}

async function look(place) {
  if (!document.hidden) {
    const answer = await fetch(place.dataset.status);
    if (answer.ok && !answer.redirected) place.innerHTML = await answer.text();
  }
  return place.querySelector(".arrived") !== null;
}

async function watch(place) {
  const arrived = await look(place).catch(() => false); // the server may be restarting: look again
  if (!arrived) setTimeout(() => watch(place), LOOK_EVERY);
  else document.querySelector(".steps")?.classList.add("complete");
}

startCopy();
const place = document.querySelector("[data-status]");
if (place && !place.querySelector(".arrived")) setTimeout(() => watch(place), LOOK_EVERY);
