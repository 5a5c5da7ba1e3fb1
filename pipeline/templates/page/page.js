// The page works without this script. The script updates the page, opens pictures in a dialog and
// handles arrow keys. It inserts only HTML that the server has rendered and escaped.
"use strict";

const PARTS = ["state", "pausing", "notices", "needing", "picks", "shown", "gives", "board-title", "pages"];
const dialog = document.getElementById("large");
const board = document.getElementById("board");
let wanted = 0, taken = 0, missed = 0;

// The words of this script, in the language of the page.
const { away: AWAY, unreached: UNREACHED, copied: COPIED } = document.body.dataset;

async function fetched(address, how) {
  const answer = await fetch(address, { credentials: "same-origin", ...how }).catch(() => {
    throw new Error(AWAY);
  });
  if (answer.redirected && new URL(answer.url).pathname === "/login") {
    // After signing in, people return to this page.
    const then = encodeURIComponent(location.pathname + location.search);
    location.assign(`/login?then=${then}`);
  }
  const text = await answer.text();
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!answer.ok) throw new Error(page.querySelector(".notice")?.textContent ?? text);
  unsay(AWAY);
  return page;
}

function tell(words) {
  document.getElementById("said").textContent = words;
  if (words !== AWAY) setTimeout(unsay, 9000, words);
}

function unsay(words) {
  const said = document.getElementById("said");
  if (said?.textContent === words) said.textContent = "";
}

// -- live updates --------------------------------------------------------------------------------

function put(old, fresh) {
  if (!old || !fresh) return;
  for (const one of old.querySelectorAll("details[open]")) {
    fresh.querySelector(`#${CSS.escape(one.id)}`)?.setAttribute("open", "");
  }
  if (old.outerHTML === fresh.outerHTML) return;
  const focused = old.contains(document.activeElement) && document.activeElement.id;
  old.replaceWith(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function putCards(fresh) {
  const old = document.getElementById("board");
  const kept = new Map(Array.from(old.children, (one) => [one.id, one]));
  Array.from(fresh.children).forEach((card, at) => {
    const was = kept.get(card.id);
    kept.delete(card.id);
    if (!was) old.insertBefore(card, old.children[at] ?? null);
    else {
      if (old.children[at] !== was) old.insertBefore(was, old.children[at]);
      put(was, card);
    }
  });
  for (const gone of kept.values()) gone.remove();
}

function take(fresh) {
  // The first rows add parts of the page that this script has not set up.
  if (!document.querySelector(".finding") !== !fresh.querySelector(".finding")) location.reload();
  for (const id of PARTS) put(document.getElementById(id), fresh.getElementById(id));
  putCards(fresh.getElementById("board"));
}

async function refresh(address = location.href) {
  const mine = ++wanted;
  const plain = new URL(address, location.href);
  plain.searchParams.delete("said");
  const fresh = await fetched(plain);
  // A later answer may have arrived first, or the address may have changed since the request.
  if (mine <= taken || address !== location.href) return;
  taken = mine;
  take(fresh);
}

function draw(parts) {
  const bar = document.getElementById("bar");
  if (!bar) return;
  const rects = parts.map(([word, at, wide]) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", `s-${word}`);
    for (const [name, value] of [["x", `${at}%`], ["width", `${wide}%`], ["height", "10"]]) {
      rect.setAttribute(name, value);
    }
    return rect;
  });
  bar.replaceChildren(...rects);
}

function listen(address) {
  // A browser allows six connections to a host, for all its tabs, so a hidden tab closes its own.
  if (document.hidden) {
    document.addEventListener("visibilitychange", () => listen(address), { once: true });
    return;
  }
  let revision = null, last = 0, timer = 0;
  const source = new EventSource(address);
  const leave = () => {
    if (!document.hidden) return;
    source.close();
    document.removeEventListener("visibilitychange", leave);
    clearTimeout(missed);
    missed = 0;
    listen(address);
  };
  document.addEventListener("visibilitychange", leave);
  source.onerror = () => {
    revision = null;
    // The server ends long streams and the browser reconnects at once: that needs no message.
    missed ||= setTimeout(() => {
      tell(AWAY);
      document.querySelector("[data-text='state']").textContent = UNREACHED;
    }, 4000);
    if (source.readyState !== EventSource.CLOSED) return;
    document.removeEventListener("visibilitychange", leave);
    // If the session has ended, the refresh redirects to the sign-in form.
    setTimeout(() => refresh().catch(() => {}).then(() => listen(address)), 2000);
  };
  source.onopen = () => {
    clearTimeout(missed);
    missed = 0;
  };
  source.onmessage = (message) => {
    const news = JSON.parse(message.data);
    for (const place of document.querySelectorAll("[data-text]")) {
      const words = news.texts[place.dataset.text];
      if (words !== undefined && place.textContent !== words) place.textContent = words;
    }
    draw(news.bar);
    if (revision !== null && news.revision !== revision && !timer) {
      timer = setTimeout(() => {
        timer = 0;
        last = Date.now();
        refresh().catch(() => {});
      }, Math.max(0, 1500 - (Date.now() - last)));
    } else if (revision === null) refresh().catch(() => {});
    revision = news.revision;
  };
}

// -- the dialog ----------------------------------------------------------------------------------

async function open(address, focus) {
  const content = (await fetched(address)).getElementById("content");
  const title = content.querySelector("#large-title");
  dialog.replaceChildren(content);
  if (!dialog.open) dialog.showModal();
  const next = focus && content.querySelector(focus);
  (next || title).focus({ preventScroll: true });
}

// Shows the row again after a tick, at the same place of its takes.
function stay(content, focus) {
  const places = [".takes > ol", ".about"].map((one) => [one, dialog.querySelector(one)]);
  const [top, at] = [dialog.scrollTop, places.map(([, old]) => [old?.scrollLeft, old?.scrollTop])];
  dialog.replaceChildren(content);
  places.forEach(([one], number) => dialog.querySelector(one)?.scrollTo(...at[number]));
  dialog.scrollTop = top;
  document.getElementById(focus)?.focus({ preventScroll: true });
}

function step(by) {
  const strip = Array.from(dialog.querySelectorAll(".strip .turn"));
  const at = strip.findIndex((one) => one.hasAttribute("aria-current"));
  if (strip[at + by]) return open(strip[at + by].href, ".strip [aria-current]");
  const place = dialog.querySelector("#content").dataset.place.split("/");
  const cards = Array.from(document.querySelectorAll("#board > .card"));
  const here = cards.findIndex((one) => one.id === `card-${place[1]}-${place[2]}`);
  const links = here < 0 ? [] : cards[here + by]?.querySelectorAll("a.open") ?? [];
  const link = links[by > 0 ? 0 : links.length - 1];
  return link && open(link.href);
}

async function copy(link) {
  const words = link.textContent;
  await navigator.clipboard.writeText(link.href).then(
    () => { link.textContent = COPIED; },
    () => { location.assign(link.href); },
  );
  setTimeout(() => { link.textContent = words; }, 3000);
}

// A large picture whose place does not answer becomes the small version, with the reason.
function shrink(picture) {
  const whole = picture.src;
  picture.src = picture.dataset.small;
  delete picture.dataset.small;
  fetched(whole).catch((error) => {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = error.message;
    picture.closest("a").after(note);
  });
}

document.addEventListener("error", (event) => {
  if (event.target.dataset?.small) shrink(event.target);
}, true);
for (const one of document.querySelectorAll("img[data-small]")) {
  if (one.complete && !one.naturalWidth) shrink(one);
}

// -- clicks and keys -----------------------------------------------------------------------------

const isPlain = (event) =>
  !(event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);

document.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
  const link = event.target.closest("a");
  if (!dialog || !link || !isPlain(event)) return;
  if (link.matches(".permalink") && navigator.clipboard) {
    event.preventDefault();
    copy(link);
  } else if (link.matches(".open, .turn, .read")) {
    event.preventDefault();
    const focus = link.matches(".strip .turn") ? ".strip [aria-current]" : "";
    open(link.href, focus).catch((error) => {
      dialog.close();
      tell(error.message);
    });
  } else if (link.matches("dialog [data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!dialog || form.method !== "post" || form.hasAttribute("data-leaves")) return;
  event.preventDefault();
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  const body = new URLSearchParams(new FormData(form));
  taken = ++wanted;
  fetched(form.action, { method: "POST", body })
    .then((fresh) => {
      // The page of the row, after a tick on a picture: the person stays there.
      const content = fresh.getElementById("content");
      if (content) {
        stay(content, form.querySelector("button").id);
        return refresh();
      }
      dialog.close();
      const words = fresh.getElementById("said").textContent;
      take(fresh);
      tell(words);
      return refresh();
    })
    .catch((error) => {
      dialog.close();
      for (const button of form.querySelectorAll("button")) button.disabled = false;
      tell(error.message);
    });
});

let typing = 0;
document.getElementById("q")?.addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const address = new URL(location.href);
    for (const name of ["page", "said"]) address.searchParams.delete(name);
    address.searchParams.set("q", event.target.value.trim());
    history.replaceState(null, "", address);
    refresh().catch((error) => tell(error.message));
  }, 200);
});

function nearest(from, key) {
  const a = from.getBoundingClientRect();
  const [x, y] = [a.left + a.width / 2, a.top + a.height / 2];
  const upright = key === "ArrowUp" || key === "ArrowDown";
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  let best = null, least = Infinity;
  for (const one of board.querySelectorAll("a.open")) {
    const b = one.getBoundingClientRect();
    const [dx, dy] = [b.left + b.width / 2 - x, b.top + b.height / 2 - y];
    const [along, aside] = upright ? [dy * sign, Math.abs(dx)] : [dx * sign, Math.abs(dy)];
    const away = along + 3 * aside;
    if (one !== from && along > 8 && away < least) [best, least] = [one, away];
  }
  return best;
}

document.addEventListener("keydown", (event) => {
  if (!event.key.startsWith("Arrow") || !dialog) return;
  // These keys move the cursor in a text, and scroll the takes.
  if (event.target.matches("textarea, .takes > ol")) return;
  if (dialog.open) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) {
      event.preventDefault();
      step(by)?.catch(() => {});
    }
    return;
  }
  const from = document.activeElement;
  if (!from?.matches("#board a.open")) return;
  const to = nearest(from, event.key);
  if (to) {
    event.preventDefault();
    to.focus();
    to.scrollIntoView({ block: "nearest" });
  }
});

if (document.body.dataset.live) listen(document.body.dataset.live);
