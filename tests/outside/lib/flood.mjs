// Many requests over a few connections, as fast as both sides can: bytes in, bytes out, nothing
// parsed but the length of each answer.
import { once } from 'node:events';
import net from 'node:net';

/** A POST as bytes. */
export function postBytes(url, body, headers = {}) {
  const { host, pathname } = new URL(url);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    Host: host,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n${text}`);
}

/** One connection: sends `request` until `next` says no; `good` looks at each answer's body. */
async function lane(url, request, next, good) {
  const { hostname, port } = new URL(url);
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true });
  const closed = once(socket, 'close');
  let got = Buffer.alloc(0);
  socket.on('data', (part) => {
    got = got.length === 0 ? part : Buffer.concat([got, part]);
    const end = got.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = got.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    if (!Number.isFinite(length)) return void socket.destroy(new Error(`no length: ${head}`));
    if (got.length < end + 4 + length) return;
    const body = got.toString('utf8', end + 4, end + 4 + length);
    got = got.subarray(end + 4 + length);
    if (!head.startsWith('HTTP/1.1 200') || !good(body)) {
      return void socket.destroy(new Error(`${head}\n${body}`));
    }
    if (next()) socket.write(request);
    else socket.end();
  });
  if (next()) socket.write(request);
  else socket.end();
  await closed;
}

/** Sends `count` of them over `lanes` connections, which are closed then. */
export async function flood(url, request, count, lanes, good) {
  let left = count;
  const next = () => (left -= 1) >= 0;
  await Promise.all(Array.from({ length: lanes }, () => lane(url, request, next, good)));
}
