// A new site starts with the reader's own time zone; the list still has all.
const list = document.querySelector("[data-own-zone]");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (list && [...list.options].some((option) => option.value === own)) list.value = own;
