// A month to pick two days from, above the plain date fields that work without it.
const DAY = 86_400_000;
const WEEK = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

const parse = (iso) => new Date(`${iso}T00:00Z`);
const iso = (date) => date.toISOString().slice(0, 10);
const monthName = (date) => date.toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const firstOf = (date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
const shifted = (month, by) => new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + by, 1));

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class Calendar {
  constructor(place, form) {
    this.place = place;
    [this.from, this.to] = [form.elements.from, form.elements.to];
    this.month = firstOf(parse(this.to.value || this.to.max));
    this.half = false; // the first of two days is chosen
    for (const field of [this.from, this.to]) field.addEventListener("change", () => this.draw());
    place.addEventListener("click", (event) => this.onClick(event));
    this.draw();
  }

  onClick(event) {
    const button = event.target.closest("button");
    if (button?.dataset.step) this.month = shifted(this.month, Number(button.dataset.step));
    if (button?.dataset.day) this.choose(button.dataset.day);
    this.draw(button?.dataset.day);
  }

  choose(day) {
    if (this.half) {
      [this.from.value, this.to.value] = [this.from.value, day].sort();
    } else {
      this.from.value = this.to.value = day;
    }
    this.half = !this.half;
  }

  draw(focused) {
    this.place.replaceChildren(this.head(), this.table());
    if (focused) this.place.querySelector(`[data-day="${focused}"]`)?.focus();
  }

  head() {
    const step = (by, sign, name) => {
      const button = element("button", { type: "button", className: "icon-button", textContent: sign, ariaLabel: name });
      button.dataset.step = by;
      return button;
    };
    const after = step(1, "›", "Month after");
    after.disabled = iso(shifted(this.month, 1)) > this.to.max;
    return element("div", { className: "calendar-head" }, element("b", { textContent: monthName(this.month) }), step(-1, "‹", "Month before"), after);
  }

  table() {
    const head = element("tr", {}, ...WEEK.map((name) => element("th", { scope: "col", textContent: name })));
    const start = this.month.getTime() - ((this.month.getUTCDay() + 6) % 7) * DAY; // weeks begin on Monday
    const weeks = [];
    for (let at = start; at < shifted(this.month, 1).getTime(); at += 7 * DAY) weeks.push(this.week(at));
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...weeks));
  }

  week(start) {
    return element("tr", {}, ...WEEK.map((_, number) => this.day(new Date(start + number * DAY))));
  }

  day(date) {
    const cell = element("td");
    if (date.getUTCMonth() !== this.month.getUTCMonth()) return cell;
    const text = iso(date);
    const isEdge = text === this.from.value || text === this.to.value;
    const button = element("button", { type: "button", textContent: date.getUTCDate(), disabled: text > this.to.max });
    button.dataset.day = text;
    button.setAttribute("aria-pressed", String(isEdge));
    cell.className = isEdge ? "edge" : text > this.from.value && text < this.to.value ? "within" : "";
    cell.append(button);
    return cell;
  }
}

export function startCalendar() {
  const start = () => {
    const place = document.querySelector("[data-calendar]");
    if (place && !place.firstChild) new Calendar(place, place.closest("form"));
  };
  start();
  document.addEventListener("figures", start);
}
