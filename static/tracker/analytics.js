/*
 * Footfall's tracker. No dependency, no cookie, one name on window.
 *
 *   <script defer src="https://stats.example.com/analytics.js" data-site="KEY"></script>
 *
 * data-site      the site's key
 * data-api       where events go; api/v1/events beside this script when left out
 * data-identity  "none": nothing is stored in the browser, the server derives an id that changes every day
 *
 * Calls made before it has loaded: window.footfall = {q: [["track", ["signup"]]]}.
 */
(function () {
  "use strict";

  const script = document.currentScript;
  const site = script && script.dataset.site;
  if (!site || !(script.src || script.dataset.api)) return;

  const api = script.dataset.api || new URL("api/v1/events", script.src).href;
  const stores = script.dataset.identity !== "none";

  const BATCH = 10;
  const FLUSH_MS = 5000;
  const SESSION_MS = 30 * 60 * 1000;
  const RETRY_MS = [1000, 2000, 4000, 8000, 16000, 30000];
  const MOST_WAITING = 500; // the server takes as many at once
  const REQUEST_BYTES = 60000; // of events; a browser carries 64 KiB of beacons and keepalive requests at a time
  const PROPERTIES_BYTES = 32 * 1024; // the server never stores more, neither as properties nor as user_properties

  let waiting = []; // {json, bytes} of events the server has not answered for
  let sending = false;
  let failures = 0;
  let timer = 0;
  let user = {};
  let page = null; // {path, url, session, since, engaged, scroll}

  // --- Ids -----------------------------------------------------------------------------------------

  /* A version 7 UUID: ordered by time. crypto.randomUUID is missing on pages without TLS. */
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let time = Date.now();
    for (let i = 5; i >= 0; i--) {
      bytes[i] = time % 256;
      time = Math.floor(time / 256);
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  /* Storage may be absent, full or forbidden; then ids last as long as the page. */
  const memory = {};
  function stored(key) {
    try {
      return localStorage.getItem(key) || memory[key];
    } catch (error) {
      return memory[key];
    }
  }
  function store(key, value) {
    memory[key] = value;
    try {
      localStorage.setItem(key, value);
    } catch (error) {
      // kept in memory
    }
  }

  function visitorId() {
    if (!stored("footfall.visitor")) store("footfall.visitor", uuid());
    return stored("footfall.visitor");
  }

  function sessionId() {
    const [id, last] = (stored("footfall.session") || "").split("|");
    const now = Date.now();
    const current = id && now - Number(last) < SESSION_MS ? id : uuid();
    store("footfall.session", current + "|" + now);
    return current;
  }

  // --- Events --------------------------------------------------------------------------------------

  function event(name, fields) {
    const one = {
      id: uuid(),
      name: name,
      timestamp: new Date().toISOString(),
      url: page ? page.url : location.href,
      title: document.title,
      screen: screen.width + "x" + screen.height,
      viewport: innerWidth + "x" + innerHeight,
      language: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
    if (stores) {
      one.visitor_id = visitorId();
      one.session_id = sessionId();
    }
    return Object.assign(one, user.id ? { user_id: user.id } : {}, fields);
  }

  function size(json) {
    return new TextEncoder().encode(json).length;
  }

  function isTooLarge(properties) {
    return size(JSON.stringify(properties)) > PROPERTIES_BYTES;
  }

  /* Written as it will be sent: what a page changes later, or what JSON cannot say, touches no other event. */
  function add(one, atOnce) {
    if (isTooLarge(one.properties) || isTooLarge(one.user_properties)) return;
    const json = JSON.stringify(one);
    waiting.push({ json: json, bytes: size(json) });
    if (waiting.length > MOST_WAITING) waiting.shift();
    if (atOnce || waiting.length >= BATCH) schedule(0);
    else if (!timer) schedule(FLUSH_MS);
  }

  function track(name, properties, userProperties) {
    add(event(String(name), { properties: properties || {}, user_properties: userProperties || {} }));
  }

  function trackOutbound(url) {
    add(event("outbound", { label: String(url), properties: { url: String(url) } }));
  }

  function identify(userId, properties) {
    user = { id: userId === null || userId === undefined ? "" : String(userId) };
    add(event("identify", { user_properties: properties || {} }));
  }

  function trackPageView() {
    leave();
    const referrer = page ? "" : document.referrer;
    const since = document.visibilityState === "visible" ? Date.now() : 0;
    page = { path: path(), url: location.href, since: since, engaged: 0, scroll: 0 };
    const view = event("pageview", referrer ? { referrer: referrer } : {});
    page.session = view.session_id;
    add(view, true);
    measureScroll();
  }

  // --- Engagement: seconds in the foreground, depth of scroll ----------------------------------------

  function pause() {
    if (page && page.since) page.engaged += Date.now() - page.since;
    if (page) page.since = 0;
  }

  function resume() {
    if (page && !page.since) page.since = Date.now();
  }

  function leave() {
    pause();
    if (!page || page.engaged < 1000) return;
    // Of the page view's session, though a long look may have outlasted it.
    add(event("engagement", { engaged_ms: Math.round(page.engaged), scroll: page.scroll, session_id: page.session }));
    page.engaged = 0;
  }

  function measureScroll() {
    if (!page) return;
    const height = document.documentElement.scrollHeight || 1;
    page.scroll = Math.max(page.scroll, Math.min(100, Math.round(((scrollY + innerHeight) / height) * 100)));
  }

  // --- Delivery --------------------------------------------------------------------------------------

  function schedule(ms) {
    clearTimeout(timer);
    timer = setTimeout(guarded(flush), ms);
  }

  function envelope(events) {
    const head = JSON.stringify({ site: site, sent_at: new Date().toISOString() });
    return head.slice(0, -1) + ',"events":[' + events.map((one) => one.json).join() + "]}";
  }

  /* What one request carries, in order; always the first, which would else block the others for ever. */
  function front() {
    let bytes = 0;
    return waiting.slice(0, BATCH).filter((one, index) => (bytes += one.bytes) <= REQUEST_BYTES || index === 0);
  }

  /* What fits into so many bytes, passing over what does not. */
  function fitting(room) {
    return waiting.filter((one) => one.bytes <= room && (room -= one.bytes) >= 0);
  }

  function forget(events) {
    waiting = waiting.filter((one) => events.indexOf(one) < 0);
  }

  /* Answered 2xx, or refused for good: forgotten. Anything else is sent again with the same ids. */
  function isSettled(status) {
    return status < 500 && status !== 408 && status !== 425 && status !== 429;
  }

  function flush() {
    clearTimeout(timer);
    timer = 0;
    if (sending || !waiting.length) return Promise.resolve();
    const events = front();
    sending = true;
    return fetch(api, {
      method: "POST",
      headers: { "Content-Type": "text/plain" }, // needs no preflight
      body: envelope(events),
      credentials: "omit",
      keepalive: events[0].bytes <= REQUEST_BYTES, // a larger one is alone, and would fail each time
    })
      .then((answer) => isSettled(answer.status))
      .catch(() => false)
      .then((settled) => {
        sending = false;
        failures = settled ? 0 : failures + 1;
        if (settled) forget(events);
        if (waiting.length) schedule(settled ? 0 : RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
      });
  }

  /*
   * The page may be gone a moment later: what waits leaves by beacon, as much as the browser still carries beside what
   * is under way. How much that is it does not say; half as much is tried. The rest follows if the page lives on.
   */
  function flushByBeacon() {
    let room = navigator.sendBeacon ? REQUEST_BYTES : 0;
    while (waiting.length && room > 500) {
      const events = fitting(room);
      if (events.length && navigator.sendBeacon(api, envelope(events))) forget(events);
      else room /= 2;
    }
    if (waiting.length) schedule(RETRY_MS[0]);
  }

  // --- What happens by itself ------------------------------------------------------------------------

  function path() {
    return location.pathname + location.search;
  }

  function onAddress() {
    if (!page || path() !== page.path) trackPageView();
  }

  function watchHistory() {
    ["pushState", "replaceState"].forEach((name) => {
      const original = history[name];
      history[name] = function () {
        const result = original.apply(this, arguments);
        guarded(onAddress)();
        return result;
      };
    });
    addEventListener("popstate", guarded(onAddress));
  }

  function onClick(click) {
    const link = click.target.closest && click.target.closest("a[href]");
    if (!link || !/^https?:$/.test(link.protocol) || link.host === location.host) return;
    if (click.type === "click" || click.button === 1) trackOutbound(link.href);
  }

  /* A fault of ours must never be the page's. */
  function guarded(work) {
    return function () {
      try {
        return work.apply(null, arguments);
      } catch (error) {
        return undefined;
      }
    };
  }

  function watchPage() {
    document.addEventListener(
      "visibilitychange",
      guarded(() => {
        if (document.visibilityState === "visible") return resume();
        leave();
        flushByBeacon();
      })
    );
    addEventListener("pagehide", guarded(() => (leave(), flushByBeacon())));
    addEventListener("pageshow", guarded((shown) => shown.persisted && ((page = null), trackPageView())));
    addEventListener("scroll", guarded(measureScroll), { passive: true });
    addEventListener("online", guarded(() => schedule(0)));
    document.addEventListener("click", guarded(onClick), true);
    document.addEventListener("auxclick", guarded(onClick), true);
  }

  function start() {
    const before = window.footfall || {};
    const names = { track, trackPageView, trackOutbound, identify, flush };
    window.footfall = {};
    Object.keys(names).forEach((name) => (window.footfall[name] = guarded(names[name])));
    watchHistory();
    watchPage();
    trackPageView();
    const calls = Array.isArray(before) ? before : before.q || [];
    calls.forEach(([name, args]) => window.footfall[name] && window.footfall[name](...(args || [])));
  }

  if (document.prerendering) document.addEventListener("prerenderingchange", guarded(start), { once: true });
  else guarded(start)();
})();
