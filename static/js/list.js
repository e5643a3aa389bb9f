// A list's own page: the calendar, and rows that exclude with Ctrl or ⌘.
import { startCalendar } from "./calendar.js";
import { startLive } from "./live.js";

startCalendar();
startLive();
document.addEventListener("click", (event) => {
  const link = event.target.closest(".row-link") || (event.target.closest("a") ? null : event.target.closest("tbody tr")?.querySelector(".row-link"));
  if (!link) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    location.assign(link.dataset.exclude);
  } else if (!event.target.closest("a")) link.click();
});
