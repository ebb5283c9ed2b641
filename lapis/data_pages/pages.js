// Turns the samples of each .browser: some at a time, filtered by what they say of themselves. Without it all are shown.
"use strict";
const SIZE = 10;

function make(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function choices(entries, name) {
  const counts = new Map();
  for (const entry of entries) {
    const value = entry.dataset[name];
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

class Browser {
  constructor(box) {
    this.box = box;
    this.entries = [...box.querySelectorAll(":scope > .entries > *")];
    this.first = 0;
    this.chosen = new Map();
    this.words = "";
    this.bar = document.createElement("div");
    this.bar.className = "bar";
    box.prepend(this.bar);
    this.buttons();
    for (const name of box.dataset.filters.split(" ")) this.filter(name);
    this.search();
    this.show();
  }

  buttons() {
    this.back = make("button", "\u2190 Back", this.bar);
    this.next = make("button", "Next \u2192", this.bar);
    for (const button of [this.back, this.next]) button.type = "button";
    this.told = make("output", "", this.bar);
    this.back.addEventListener("click", () => this.turn(-1));
    this.next.addEventListener("click", () => this.turn(1));
  }

  filter(name) {
    const found = choices(this.entries, name);
    if (found.length < 2) return;
    const label = make("label", name + " ", this.bar);
    const select = make("select", "", label);
    make("option", `all (${this.entries.length})`, select).value = "";
    found.forEach(([value, count], at) => {
      make("option", `${value || "none"} (${count})`, select).value = String(at);
    });
    select.addEventListener("change", () => {
      if (select.value === "") this.chosen.delete(name);
      else this.chosen.set(name, found[Number(select.value)][0]);
      this.first = 0;
      this.show();
    });
  }

  search() {
    const label = make("label", "holds ", this.bar);
    const input = document.createElement("input");
    input.type = "search";
    label.append(input);
    input.addEventListener("input", () => {
      this.words = input.value.toLowerCase();
      this.first = 0;
      this.show();
    });
  }

  fits(entry) {
    for (const [name, value] of this.chosen) if (entry.dataset[name] !== value) return false;
    return !this.words || entry.textContent.toLowerCase().includes(this.words);
  }

  turn(pages) {
    const next = this.first + pages * SIZE;
    if (next < 0 || next >= this.fitting.length) return;
    this.first = next;
    this.show();
    this.box.scrollIntoView({ block: "start" });
  }

  show() {
    this.fitting = this.entries.filter((entry) => this.fits(entry));
    const shown = new Set(this.fitting.slice(this.first, this.first + SIZE));
    for (const entry of this.entries) entry.hidden = !shown.has(entry);
    const last = Math.min(this.first + SIZE, this.fitting.length);
    this.told.textContent = this.fitting.length ? `${this.first + 1}\u2013${last} of ${this.fitting.length}` : "none";
    this.back.disabled = this.first === 0;
    this.next.disabled = last >= this.fitting.length;
  }
}

const browsers = [...document.querySelectorAll(".browser")].map((box) => new Browser(box));

function inView() {
  const middle = window.innerHeight / 2;
  const held = browsers.find((one) => one.box.contains(document.activeElement));
  if (held) return held;
  return browsers.find(({ box }) => {
    const place = box.getBoundingClientRect();
    return place.top < middle && place.bottom > middle;
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  const pages = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const one = pages && inView();
  if (!one) return;
  event.preventDefault();
  one.turn(pages);
});
