// Keeps a page up to date: when the ledger has changed, the page is asked for again, and what is
// live in it is put in its place. Where a person is typing, nothing is replaced.
"use strict";
(() => {
  const said = document.getElementById("said");
  const pulse = document.getElementById("pulse");
  const QUIET_MS = 2000, SOON_MS = 300;
  let waiting = null, asking = false;

  const typed = (field) => field.type === "checkbox" ? field.checked !== field.defaultChecked
    : field.type !== "hidden" && field.value !== field.defaultValue;

  const busy = (part) => part.querySelector("details[open]:not([data-open])") ||
    [...part.querySelectorAll("input, textarea")].some(typed) ||
    (part.contains(document.activeElement) &&
     document.activeElement.matches("input, select, textarea, button, summary"));

  const title = () => document.querySelector("h1").textContent.trim();

  const key = (element) => element && (element.getAttribute("href") || element.id);

  async function refresh() {
    waiting = null;
    if (asking || document.hidden) { later(); return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = key(document.activeElement), before = title();
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
        if (other && !busy(part) && part.innerHTML !== other.innerHTML) {
          part.replaceChildren(...other.childNodes);
        }
      }
      if (focused && key(document.activeElement) !== focused) {
        const again = [...document.querySelectorAll("a, summary")].find((one) => key(one) === focused);
        if (again) again.focus({ preventScroll: true });
      }
      if (said && title() !== before) said.textContent = title(); // a reader hears what is new
      soon();
    } catch { /* the server is away: the stream says so and comes back by itself */ } finally {
      asking = false;
    }
  }

  function later(ms = QUIET_MS) {
    if (waiting === null) waiting = setTimeout(refresh, ms);
  }

  // The server still adds up what the page could not wait for.
  function soon() {
    if (document.querySelector("[data-soon]")) later(SOON_MS);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    // Without a clipboard (plain http elsewhere) it is selected, and a key copies it.
    try { await navigator.clipboard.writeText(field.value); } catch { return; }
    if (said) said.textContent = button.textContent = "Copied";
  });

  if (!document.querySelector("[data-live]:not([data-live=follows])")) return;
  soon();
  const stream = new EventSource("/events");
  stream.addEventListener("open", () => pulse && pulse.classList.add("on"));
  stream.addEventListener("error", () => pulse && pulse.classList.remove("on"));
  stream.addEventListener("changed", () => later());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) later(); });
  addEventListener("pagehide", () => stream.close());
})();
