// The script of the pages. Every page can be read without it; it adds live fragments, charts that answer, and forms that steer.
"use strict";
(() => {
  const root = document.documentElement, body = document.body;
  const by = id => document.getElementById(id);
  const AGAIN = 5000, SILENT = 20_000, PAUSE = 400, WAITS = 60_000;  // milliseconds
  const SILENCE = "The server does not answer.";
  root.classList.add("scripted");

  // ---- the token: in the address once, in a cookie that no script can read from then on

  async function trade(token) {
    history.replaceState(null, "", location.pathname + location.search);
    const answer = await fetch("/api/v1/session", {method: "POST", headers: {Authorization: `Bearer ${token}`}}).catch(() => null);
    if (answer?.ok) location.reload();
    else say(answer ? await problem(answer) : SILENCE);
  }

  function say(text, bad = true) {
    const line = by("said");
    line.textContent = text;
    line.classList.toggle("bad", bad);
  }

  // ---- live: ready fragments by their id; the browser asks again with the last number that it saw

  let source, seen = "", heard = Date.now();

  function follow(address) {
    const sign = by("live");
    source?.close();
    source = new EventSource(seen ? address.replace(/after=\d+/, `after=${seen}`) : address);
    source.onopen = () => { heard = Date.now(); sign?.classList.remove("lost"); };
    source.onerror = () => {
      sign?.classList.add("lost");
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN, address);
    };
    source.addEventListener("fragment", event => {
      [seen, heard] = [event.lastEventId, Date.now()];
      put(JSON.parse(event.data));
    });
    source.addEventListener("reload", () => { source.close(); location.reload(); });
  }
  // A browser that slept may hold a dead stream without knowing: one that was silent is opened anew when it is looked at.
  function wake() {
    if (!document.hidden && source && Date.now() - heard > SILENT) {
      heard = Date.now();
      follow(body.dataset.live);
    }
  }

  function put({id, mode, html, most}) {
    const old = by(id);
    if (!old) return;
    if (mode === "dot") return dot(old, html);
    const held = old.contains(document.activeElement) && document.activeElement.dataset.key;
    if (mode === "prepend") old.insertAdjacentHTML("afterbegin", html);  // escaped by the server's templates
    else old.innerHTML = html;
    while (most && old.children.length > most) old.lastElementChild.remove();
    if (held) old.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({preventScroll: true});
    awake();
  }

  // A dot more: the class of a path, a space, and what is added to its data.
  function dot(box, text) {
    const [kind, ...data] = text.split(" "), path = box.querySelector(`path.${CSS.escape(kind)}`);
    path?.setAttribute("d", path.getAttribute("d") + data.join(" "));
  }

  // ---- times: how long ago, how long a job is at work

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function ago(seconds) {
    const [size, unit] = UNITS.find(([size]) => seconds >= size) || UNITS[3];
    return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
  }
  const skew = Number(body.dataset.now || 0) ? Date.now() / 1000 - Number(body.dataset.now) : 0;  // of this machine's clock

  function tick() {
    const now = Date.now() / 1000 - skew;
    for (const each of document.querySelectorAll("time[data-at]")) each.textContent = `${ago(now - each.dataset.at)} ago`;
    for (const bar of document.querySelectorAll("progress[data-began]")) {
      const done = now - bar.dataset.began, whole = Number(bar.dataset.expected);
      bar.value = Math.min(done, bar.max);
      const told = by(bar.dataset.told);
      if (told) told.textContent = whole ? `${ago(done)} of about ${ago(whole)}` : ago(done);
    }
  }

  // ---- forms that steer: sent as JSON with a mark of their own, so that sending twice does once

  function fields(form, button) {
    const of = name => (button?.name === name ? button : form.elements[name]).dataset;
    return Object.fromEntries([...new FormData(form, button)].map(([name, value]) =>
      [name, "number" in of(name) ? Number(value) : "flag" in of(name) ? true : value]));
  }
  async function send(form, button) {
    const method = form.dataset.method || "POST";
    const headers = {"Content-Type": "application/json", "Idempotency-Key": form.dataset.mark ||= crypto.randomUUID()};
    if (form.dataset.match) headers["If-Match"] = form.dataset.match;
    const body = method === "DELETE" ? undefined : JSON.stringify(fields(form, button));
    const answer = await fetch(form.dataset.send, {method, headers, body}), place = answer.headers.get("Location");
    return answer.ok && place ? outcome(place) : problem(answer);
  }
  async function problem(answer) {
    if (answer.ok) return "";
    const said = await answer.json().catch(() => ({}));
    return said.detail || said.title || `The server answered ${answer.status}.`;
  }
  async function outcome(place) {
    for (const end = Date.now() + WAITS; Date.now() < end; await new Promise(go => setTimeout(go, PAUSE))) {
      const answer = await fetch(place), order = answer.ok ? await answer.json() : {};
      if (!answer.ok) return problem(answer);
      if (order.state !== "waiting") return order.state === "declined" ? order.said || "It was declined." : "";
    }
    return "The night at work did not answer within a minute; the order waits for it.";
  }
  async function submit(event) {
    const form = event.target.closest("form[data-send]"), button = event.submitter;
    if (!form) return;
    event.preventDefault();
    if (form.dataset.sure && !confirm(form.dataset.sure)) return;
    if (button) button.disabled = true;
    say("Sent; waiting for the answer.", false);
    const wrong = await send(form, button).catch(() => SILENCE);
    if (button) button.disabled = false;
    if (wrong !== SILENCE) delete form.dataset.mark;  // sent again after that, it is still the same order
    if (wrong) return say(wrong);
    say(form.dataset.done, false);
    setTimeout(() => location.reload(), PAUSE);
  }

  // The journal's chain is checked by the server, when it is asked to.
  async function verify(line) {
    const answer = await fetch(line.dataset.verify).catch(() => null);
    if (!answer?.ok) return;
    const {state, seq, at, said} = await answer.json();
    line.classList.toggle("warn", state === "broken");
    if (state === "broken") line.textContent = said;
    else if (at) line.textContent = `The chain is whole: ${seq.toLocaleString("en")} records were read from the first on, ${ago(Date.now() / 1000 - skew - at)} ago.`;
    if (state === "running") setTimeout(verify, 2000, line);
  }

  // What the text of an editor changes, as a diff that the server makes.
  async function preview(button) {
    const form = button.form, box = by("preview");
    const answer = await fetch(button.dataset.preview, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(fields(form))}).catch(() => null);
    if (!answer?.ok) return say(answer ? await problem(answer) : SILENCE);
    box.textContent = await answer.text() || "Nothing.";
    box.hidden = false;
  }

  // ---- copying, keys

  async function copy(button) {
    const text = by(button.dataset.copy), label = button.firstChild, had = label.data;
    try {
      await navigator.clipboard.writeText(text.textContent);
      label.data = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      label.data = "Press Ctrl-C";
    }
    setTimeout(() => { label.data = had; }, 2000);
  }
  function keys(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = document.querySelector("input[type=search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  }

  function awake() {
    globalThis.startCharts?.();
    newer();
    tick();
  }
  // A page that is no fragment says that there is more, and leaves it to its reader when to look.
  function newer() {
    const sign = by("live")?.querySelector("[data-judged]"), line = by("newer");
    if (!line || !sign) return;
    const more = Number(sign.dataset.judged) - Number(line.dataset.judged);
    line.hidden = more <= 0;
    if (more > 0) line.querySelector("span").textContent = more === 1 ? "1 more verdict: " : `${more.toLocaleString("en")} more verdicts: `;
  }

  const look = () => { const token = /^#token=([\w.~-]+)$/.exec(location.hash); if (token) trade(token[1]); };
  look();
  addEventListener("hashchange", look);
  awake();
  setInterval(tick, 1000);
  for (const line of document.querySelectorAll("[data-verify]")) verify(line);
  if (body.dataset.live) follow(body.dataset.live);
  document.addEventListener("click", event => { const button = event.target.closest("[data-copy], [data-preview]"); if (button) (button.dataset.copy ? copy : preview)(button); });
  document.addEventListener("submit", submit);
  document.addEventListener("keydown", keys);
  document.addEventListener("visibilitychange", wake);
  addEventListener("pageshow", wake);
  document.querySelector("nav [aria-current]")?.scrollIntoView({block: "nearest", inline: "center"});
  
})();
