// The page keeps what it was told last, and counts the seconds itself. Texts come from outside, so they are set as text, never as HTML.

const byId = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;

/** What was told last, and when, by this page's clock in seconds. */
let view = null;
let told = 0;
/** Why what is shown is no longer so, if it is not. */
let lost = null;
/** Has the program said that it ends? */
let hasEnded = false;
/** What was cancelled here, by number: its name, what the server answered, and its end. */
const reports = new Map();
const MOST_REPORTS = 10;

const clock = () => performance.now() / 1000;

// ---- How things are said.

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

// These count on: no milliseconds, then.
const ago = (seconds) => `${seconds < 60 ? seconds.toFixed(1) + " s" : duration(seconds)} ago`;

function waitsFor(what, later) {
  const time = `for ${duration(what.since + later)}`;
  switch (what.what) {
    case "shield": return `a shield begun at ${what.begun_at}, ${time}`;
    case "await": return `the await at ${what.at}, ${time}`;
    case "code": return `code${what.after ? ` behind ${what.after}` : ""}${what.thread ? ` on thread ${what.thread}` : ""}, ${time}`;
    default: return "what code without check points awaits";
  }
}

// Nobody has asked where something was dropped, has lost a race, or has come from a signal.
const ASKED = { dropped: "begun at", scope_ended: "begun at", superseded: "begun at", signal: "listened for at" };

const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

// ---- How it gets into the page.

function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** A line of a card's facts; `null` leaves it out. */
function fact(card, name, value, label) {
  const line = card.querySelector(`dl .${name}`);
  line.hidden = value === null;
  if (value !== null) text(line.querySelector("dd"), value);
  if (label) text(line.querySelector("dt"), label);
}

/** Why, and both lines: who asked, and who noticed. */
function cancelFacts(card, cancel, why, unnoticed) {
  fact(card, "why", cancel && why);
  fact(card, "asked", cancel && cancel.requested_at, cancel && (ASKED[cancel.kind] ?? "asked at"));
  fact(card, "noticed", cancel && (cancel.noticed_at ?? unnoticed), cancel?.noticed_at ? "noticed at" : "noticed");
}

function make(template, id, scope) {
  const item = byId(template).content.firstElementChild.cloneNode(true);
  item.id = id;
  item.dataset.number = scope.id;
  text(item.querySelector(".name"), scope.name);
  text(item.querySelector(".number"), `#${scope.id}`);
  return item;
}

function state(card, word) {
  const pill = card.querySelector(".state");
  text(pill, word);
  pill.dataset.state = word;
}

/** Puts an item into its list, in the order of the numbers, unless it is there. */
function place(list, item) {
  if (item.parentNode === list) return;
  let before = list.lastElementChild;
  while (before && Number(before.dataset.number) > Number(item.dataset.number)) before = before.previousElementSibling;
  list.insertBefore(item, before ? before.nextElementSibling : list.firstElementChild);
}

// ---- What runs.

function showScope(item, scope, later) {
  const card = item.querySelector(".card");
  card.classList.toggle("cancelled", scope.cancel !== null);
  state(card, scope.state);
  const button = card.querySelector("button");
  button.setAttribute("aria-disabled", String(scope.cancel !== null || lost !== null));

  const progress = scope.progress;
  card.querySelector(".progress").hidden = progress === null;
  if (progress) {
    const bar = card.querySelector("progress");
    if (progress.total) {
      bar.max = progress.total;
      bar.value = progress.done;
    } else {
      bar.removeAttribute("value");
    }
    const done = progress.done.toLocaleString("en");
    text(card.querySelector(".done"), progress.total ? `${done} of ${progress.total.toLocaleString("en")}` : `${done} done`);
  }

  fact(card, "age", ago(scope.age + later));
  const left = scope.deadline === null ? null : scope.deadline - later;
  fact(card, "deadline", left === null || scope.cancel ? null : left > 0 ? `in ${left.toFixed(1)} s` : "now");
  const where = [scope.thread && `thread ${scope.thread}`, scope.task && `task ${scope.task}`].filter(Boolean);
  fact(card, "where", where.length ? where.join(", ") : null);
  const point = scope.last_point;
  fact(card, "passed", point && `${point.at}, ${ago(point.ago + later)}`);
  cancelFacts(card, scope.cancel, scope.cancel && `${ago(scope.cancel.ago + later)}: ${scope.cancel.reason}`, "not yet");
  fact(card, "waits", scope.cancel && waitsFor(scope.waits_for, later));
}

function makeScope(scope) {
  const item = make("scope", `scope-${scope.id}`, scope);
  const button = item.querySelector("button");
  button.id = `cancel-${scope.id}`;
  button.setAttribute("aria-label", `Cancel ${scope.name} #${scope.id}`);
  return item;
}

function showScopes(later) {
  const live = new Set(view.scopes.map((scope) => scope.id));
  const shown = new Set();
  // Whatever a scope is in has begun before it, and so is there.
  for (const scope of view.scopes) {
    const item = byId(`scope-${scope.id}`) ?? makeScope(scope);
    const above = live.has(scope.parent) ? byId(`scope-${scope.parent}`).lastElementChild : byId("running");
    place(above, item);
    showScope(item, scope, later);
    shown.add(item);
  }
  for (const item of document.querySelectorAll("#running li")) {
    if (!shown.has(item)) item.remove();
  }
  byId("none").hidden = view.scopes.length > 0;
  byId("left-off").hidden = view.left_off === 0;
  text(byId("left-off"), `… and ${view.left_off.toLocaleString("en")} more`);
}

// ---- What has ended.

function showEnd(card, end, later) {
  state(card, end.outcome);
  fact(card, "age", `${ago(end.ago + later)}, after ${duration(end.duration)}`, "ended");
  fact(card, "waits", null);
  cancelFacts(card, end.cancel, end.cancel?.reason, "by no check point");
  fact(card, "begun", end.cancel && ASKED[end.cancel.kind] !== "begun at" ? end.begun_at : null);
}

function showEnded(later) {
  const list = byId("ended");
  view.ended.forEach((end, position) => {
    const item = byId(`ended-${end.id}`) ?? make("report", `ended-${end.id}`, end);
    if (list.children[position] !== item) list.insertBefore(item, list.children[position] ?? null);
    showEnd(item, end, later);
  });
  while (list.children.length > view.ended.length) list.lastElementChild.remove();
}

// ---- What was cancelled here.

function showReport(id, report) {
  const item = byId(`report-${id}`);
  const since = clock() - report.at;
  const scope = view.scopes.find((scope) => scope.id === id);
  const end = view.ended.find((end) => end.id === id);
  if (end && !report.end) {
    report.end = end;
    report.at = told;
    say(`${report.name} #${id} has ended: ${end.outcome}`);
  }
  if (report.end) {
    showEnd(item, report.end, clock() - report.at);
  } else if (report.refused) {
    state(item, "not cancelled");
    fact(item, "why", report.refused);
  } else {
    state(item, "asked");
    fact(item, "age", ago(since), "asked");
    fact(item, "waits", scope?.cancel ? waitsFor(scope.waits_for, clock() - told) : null);
    cancelFacts(item, scope?.cancel ?? null, scope?.cancel?.reason, "not yet");
  }
}

async function cancel(id) {
  const scope = view.scopes.find((scope) => scope.id === id);
  if (!scope || scope.cancel || lost) return;
  const report = { name: scope.name, at: clock() };
  reports.set(id, report);
  const item = byId(`report-${id}`) ?? make("report", `report-${id}`, scope);
  item.tabIndex = -1;
  byId("reports").prepend(item);
  for (const line of item.querySelectorAll("dl div")) line.hidden = true;
  while (reports.size > MOST_REPORTS) {
    const oldest = reports.keys().next().value;
    reports.delete(oldest);
    byId(`report-${oldest}`).remove();
  }
  byId("cancelled-here").hidden = false;
  say(`Cancel of ${scope.name} #${id} asked for`);
  show();

  const request = { method: "POST", headers: { "x-dashboard-token": meta("token") } };
  const answer = await fetch(`/scopes/${id}/cancel`, request).catch(() => null);
  if (!answer?.ok) {
    report.refused = answer ? (await answer.text()).trim() : "the server does not answer";
    say(`${scope.name} #${id} was not cancelled: ${report.refused}`);
  }
  show();
}

// ---- All of it.

/** Read out to those who do not see it. */
function say(what) {
  text(byId("news"), what);
}

function show() {
  if (!view) return;
  const focused = document.activeElement;
  const later = lost ? lost.at - told : clock() - told;
  showScopes(later);
  showEnded(later);
  reports.forEach((report, id) => showReport(id, report));
  const deaf = view.scopes.filter((scope) => scope.cancel).length;
  const running = view.scopes.length + view.left_off;
  text(byId("summary"), count(running, "scope", "scopes") + (deaf ? `, ${deaf} cancelled and not ended` : ""));
  keepFocus(focused);
}

/** What had the focus has it still, if it was moved; if it has gone, what became of it has. */
function keepFocus(focused) {
  if (!focused || focused === document.body || focused === document.activeElement) return;
  const id = focused.id.replace("cancel-", "");
  const heir = focused.isConnected ? focused : (byId(`report-${id}`) ?? byId("running-title"));
  heir.focus({ preventScroll: focused.isConnected });
}

function connection(word, name) {
  text(byId("connection"), word);
  byId("connection").dataset.state = name;
  lost = name === "live" ? null : (lost ?? { at: clock() });
  document.body.classList.toggle("lost", lost !== null);
  show();
}

function connect() {
  const events = new EventSource("/events");
  events.addEventListener("start", (event) => {
    // The program was started anew, so that this page's token is no longer good.
    if (event.data !== meta("start")) location.reload();
  });
  events.addEventListener("view", (event) => {
    view = JSON.parse(event.data);
    told = clock();
    hasEnded = false;
    if (lost || byId("connection").dataset.state !== "live") connection("live", "live");
    else show();
  });
  events.addEventListener("end", () => {
    hasEnded = true;
    connection("the program has ended", "lost");
  });
  events.onerror = () => {
    if (!hasEnded) connection("connection lost, trying again …", "lost");
    // Left to itself it would not try again if it was refused, and the time between is each browser's own.
    events.close();
    setTimeout(connect, 1000);
  };
}

byId("running").addEventListener("click", (event) => {
  const button = event.target.closest("button.cancel");
  if (button && button.getAttribute("aria-disabled") !== "true") cancel(Number(button.id.replace("cancel-", "")));
});
setInterval(() => lost || show(), 500);
connect();
