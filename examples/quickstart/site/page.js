// The quick start page: every card talks to an origin through the proxy that served the page.

const MIB = 1024 * 1024;
const LOG_LINES_MAX = 3;
// Fields that only a proxy writes; a plain browser sends none of them.
const OURS = /^(x-forwarded-|x-real-ip$|forwarded$|via$|x-request-id$)/i;

const byId = (id) => document.getElementById(id);

function show(id, text, isBad = false) {
  const element = byId(id);
  element.textContent = text;
  element.classList.toggle('bad', isBad);
}

async function timed(url) {
  const startedMs = performance.now();
  const response = await fetch(url, { cache: 'no-store' });
  const body = await response.text();
  return { response, body, spentMs: performance.now() - startedMs };
}

function showWay(id, endpoint, spentMs) {
  const row = byId(id);
  row.querySelector('[data-endpoint]').textContent = endpoint;
  row.querySelector('[data-time]').textContent = `${spentMs.toFixed(1)} ms`;
}

async function showWays() {
  const site = await timed('/');
  const origin = site.response.headers.get('x-origin') ?? `status ${site.response.status}`;
  showWay('way-site', origin.replace(/^site /, ''), site.spentMs);
  const api = await timed('/api/echo');
  const seen = JSON.parse(api.body);
  showWay('way-api', seen.endpoint, api.spentMs);
  byId('field-rows').replaceChildren(
    ...seen.fields.map(([name, value]) => {
      const row = document.createElement('tr');
      row.className = OURS.test(name) ? 'ours' : '';
      for (const text of [name, value]) row.insertCell().textContent = text;
      return row;
    }),
  );
}

function openEvents() {
  const events = new EventSource('/api/sse');
  events.addEventListener('open', () => show('clock-state', 'open'));
  events.addEventListener('message', (event) => {
    const time = new Date(event.data);
    byId('clock').textContent = time.toLocaleTimeString([], { hour12: false });
    show('clock-state', `event ${event.lastEventId} of /api/sse`);
  });
  events.addEventListener('error', () => show('clock-state', 'lost, trying again', true));
}

function openSocket() {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/ws`);
  const lines = [];
  const sentMs = [];
  const send = () => {
    if (socket.readyState !== WebSocket.OPEN) return;
    sentMs.push(performance.now());
    socket.send(byId('echo-input').value);
  };
  socket.addEventListener('open', () => {
    show('echo-state', 'open on /api/ws');
    send();
  });
  socket.addEventListener('message', (event) => {
    const spentMs = performance.now() - (sentMs.shift() ?? performance.now());
    lines.unshift(`${event.data}  (${spentMs.toFixed(1)} ms)`);
    lines.length = Math.min(lines.length, LOG_LINES_MAX);
    byId('echo-log').textContent = lines.join('\n');
  });
  socket.addEventListener('close', (event) => {
    show('echo-state', `closed with code ${event.code}: load the page again`, true);
  });
  byId('echo-form').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
}

function rate(size, startedMs) {
  const seconds = (performance.now() - startedMs) / 1000;
  return `${(size / MIB).toFixed(0)} MiB, ${(size / MIB / seconds).toFixed(0)} MiB/s`;
}

async function download() {
  const startedMs = performance.now();
  const response = await fetch('/download?mib=64');
  const total = Number(response.headers.get('content-length'));
  let size = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    byId('progress').value = size / total;
    show('stream-state', rate(size, startedMs));
  }
  show('stream-state', `received ${rate(size, startedMs)}`);
}

async function upload() {
  const body = new Uint8Array(16 * MIB).fill(120);
  const startedMs = performance.now();
  byId('progress').removeAttribute('value');
  const response = await fetch('/api/upload', { method: 'PUT', body });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const { size, sha256 } = await response.json();
  byId('progress').value = 1;
  show('stream-state', `sent ${rate(size, startedMs)}, sha256 ${sha256.slice(0, 12)}…`);
}

function onClick(id, state, action) {
  const button = byId(id);
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      show(state, `failed: ${error.message}`, true);
      if (state === 'stream-state') byId('progress').value = 0;
    }
    button.disabled = false;
  });
}

async function askSlowly() {
  const stop = new AbortController();
  const button = byId('slow-stop');
  button.disabled = false;
  button.addEventListener('click', () => stop.abort(), { once: true });
  show('slow-state', 'waiting');
  try {
    const response = await fetch('/api/slow?ms=5000', { signal: stop.signal });
    const { waitedMs } = await response.json();
    show('slow-state', `answered after ${waitedMs} ms`);
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
    show('slow-state', 'given up; the origin no longer waits');
  } finally {
    button.disabled = true;
  }
}

openEvents();
openSocket();
onClick('download', 'stream-state', download);
onClick('upload', 'stream-state', upload);
onClick('slow-start', 'slow-state', askSlowly);
showWays().catch((error) => {
  showWay('way-api', `failed: ${error.message}`, 0);
});
