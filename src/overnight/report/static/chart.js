// Charts that answer to pointer and keys. Without it they are whole: what it shows stands in the page as well.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const WORDS = {keep: "kept", discard: "discarded", barred: "broke a guard", open: "open", explored: "explored, claims nothing"};
  const STAYS = 80;  // milliseconds on a point after which its words are fetched
  const REACH = 32;  // pixels from the pointer within which a point is found

  // Points are [number, x, y, kind, effect, title], x and y in thousandths of the plot; effect and title may be fetched.
  class Chart {
    constructor(box) {
      this.box = box;
      this.plot = box.querySelector(".plot");
      this.tip = box.querySelector(".tip");
      this.said = document.getElementById(box.id + "-said");
      this.points = JSON.parse(document.getElementById(box.dataset.points).textContent);
      this.spot = this.add("circle", {class: "spot", r: 8});
      this.area = this.add("rect", {class: "sel", height: "100%"});
      this.at = -1;
      this.from = null;
      for (const name of ["pointerdown", "pointermove", "pointerup", "pointerleave", "pointercancel", "blur", "keydown"]) {
        this.plot.addEventListener(name, event => this[name](event));
      }
    }
    add(tag, attributes) {
      const made = document.createElementNS(NS, tag);
      for (const name in attributes) made.setAttribute(name, attributes[name]);
      made.setAttribute("visibility", "hidden");
      this.plot.append(made);
      return made;
    }
    async show(index, aloud) {
      this.at = index;
      this.tip.hidden = index < 0;
      this.spot.setAttribute("visibility", index < 0 ? "hidden" : "visible");
      if (index < 0) return;
      const point = this.points[index], [id, x, y, kind] = point;
      this.spot.setAttribute("cx", x / 10 + "%");
      this.spot.setAttribute("cy", y / 10 + "%");
      this.tell(point, aloud);
      if (point.length > 4 || !this.box.dataset.tip) return;
      await new Promise(go => setTimeout(go, STAYS));
      if (this.at !== index || point.length > 4) return;
      const answer = await fetch(this.box.dataset.tip.replace("{id}", id) + (kind === "explored" ? "?explored=true" : "")).catch(() => null);
      const words = answer?.ok ? await answer.json() : null;
      if (words && point.length < 5) point.push(words.effect, words.title);
      if (words && this.at === index) this.tell(point, aloud);
    }
    tell([id, x, y, kind, effect = "", title = ""], aloud) {
      const head = `${kind === "explored" ? "point " : "#"}${id} ${WORDS[kind]}${effect ? ", " + effect : ""}`;
      this.tip.replaceChildren(Object.assign(document.createElement("b"), {textContent: head}), title);
      const plot = this.plot.getBoundingClientRect(), box = this.box.getBoundingClientRect();
      const left = plot.left - box.left + x / 1000 * plot.width, top = plot.top - box.top + y / 1000 * plot.height;
      this.tip.style.left = Math.max(0, Math.min(left + 14, box.width - this.tip.offsetWidth)) + "px";
      this.tip.style.top = (top > this.tip.offsetHeight + 16 ? top - this.tip.offsetHeight - 12 : top + 16) + "px";
      if (aloud && this.said) this.said.textContent = `${head}: ${title}`;
    }
    nearest(event) {
      const plot = this.plot.getBoundingClientRect(), x = event.clientX - plot.left, y = event.clientY - plot.top;
      let best = -1, least = REACH * REACH;
      this.points.forEach(([, px, py], index) => {
        const away = (px / 1000 * plot.width - x) ** 2 + (py / 1000 * plot.height - y) ** 2;
        if (away < least) { least = away; best = index; }
      });
      return best;
    }
    open() {
      const point = this.points[this.at];
      const href = point && point[3] !== "explored" && this.box.dataset.href;
      if (!href) return;
      const address = href.replace("{id}", point[0]);
      if (address[0] !== "#" || document.getElementById(address.slice(1))) location.href = address;
    }
    dragged(event) { return this.from !== null && Math.abs(event.clientX - this.from) > 6; }
    pointerdown(event) {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      this.from = event.clientX;
      this.plot.setPointerCapture(event.pointerId);
    }
    pointermove(event) {
      if (!this.dragged(event) || !this.box.dataset.zoom) { this.show(this.nearest(event)); return; }
      const left = Math.min(this.from, event.clientX) - this.plot.getBoundingClientRect().left;
      this.area.setAttribute("x", left);
      this.area.setAttribute("width", Math.abs(event.clientX - this.from));
      this.area.setAttribute("visibility", "visible");
      this.show(-1);
    }
    pointerup(event) {
      const dragged = this.dragged(event) && this.box.dataset.zoom, from = this.from;
      this.pointercancel();
      if (dragged) this.zoom(Math.min(from, event.clientX), Math.max(from, event.clientX));
      else { this.show(this.nearest(event)); if (event.pointerType === "mouse") this.open(); }
    }
    pointercancel() { this.area.setAttribute("visibility", "hidden"); this.from = null; }
    pointerleave() { if (this.from === null) this.show(-1); }
    blur() { this.show(-1); }
    zoom(from, to) {  // the server draws the part: exact ticks and labels, and an address to share
      const [low, high] = this.box.dataset.zoom.split(",").map(Number), plot = this.plot.getBoundingClientRect();
      const of = x => Math.round(low + (high - low) * Math.max(0, Math.min(1, (x - plot.left) / plot.width)));
      const address = new URL(location);
      address.searchParams.set("from", of(from));
      address.searchParams.set("to", of(to));
      location = address;
    }
    keydown(event) {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key], last = this.points.length - 1;
      if (step) this.walk(step, event.shiftKey);
      else if (event.key === "Home") this.show(0, true);
      else if (event.key === "End") this.show(last, true);
      else if (event.key === "Enter") this.open();
      else if (event.key === "Escape") this.show(-1);
      else return;
      event.preventDefault();
    }
    walk(step, keeps) {  // with shift from keep to keep
      let index = this.at < 0 ? (step > 0 ? 0 : this.points.length - 1) : this.at + step;
      while (keeps && this.points[index] && this.points[index][3] !== "keep") index += step;
      if (this.points[index]) this.show(index, true);
    }
  }

  globalThis.startCharts = () => document.querySelectorAll(".chart[data-points]:not([data-on])").forEach(box => {
    box.dataset.on = "1";
    new Chart(box);
  });
  startCharts();
})();
