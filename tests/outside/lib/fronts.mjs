// The reverse proxies that stand before the gateway in the tests: nginx as README prints it, nginx
// with nothing said (HTTP/1.0 to us, answers buffered, 1 MB of body), nginx with connections that it
// keeps, and Caddy as README prints it. All without TLS: `nginx.test.mjs` has that.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HAS_CADDY, startCaddy } from './caddy.mjs';
import { root } from './gateway.mjs';
import { HAS_NGINX, startNginx } from './nginx.mjs';

const README = readFileSync(join(root, 'README.md'), 'utf8');

/** A block of README in that language, with each of `swaps` done. */
export function printed(language, swaps) {
  const block = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(README)?.[1];
  assert.ok(block, `README prints no ${language}`);
  return swaps.reduce((config, [what, by]) => {
    assert.match(config, what);
    return config.replace(what, by);
  }, block);
}

const asPrinted = (port) => printed('nginx', [
  [/listen 443 ssl;/, 'listen {front};'],
  [/server_name [^;]+;/, 'server_name _;'],
  [/ssl_certificate [^;]+;/, ''],
  [/ssl_certificate_key [^;]+;/, ''],
  [/127\.0\.0\.1:3050/, `127.0.0.1:${port}`],
]);

const caddyfile = (port) => printed('caddy', [
  [/^mcp\.example\.com \{/, 'http://:{front:port} {\n\tbind 127.0.0.1'],
  [/127\.0\.0\.1:3050/, `127.0.0.1:${port}`],
]);

const defaults = (port) =>
  `server { listen {front}; location / { proxy_pass http://127.0.0.1:${port}; } }`;

const pooled = (port) => {
  const lines = `proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; client_max_body_size 0;`;
  return `upstream gateway { server 127.0.0.1:${port}; keepalive 8; }
server {
  listen {front};
  location / { proxy_pass http://gateway; ${lines} }
  location /unbuffered/ { proxy_pass http://gateway/; ${lines} proxy_request_buffering off; }
}`;
};

/**
 * By name: `start(port)`; `body`: what it lets through of a body, in bytes; `host`: whether the
 * gateway sees the `Host` that the client sent; `pools`: keeps connections to the gateway.
 */
export const FRONTS = {
  'nginx as printed': {
    start: (port) => startNginx(asPrinted(port), ['front']), body: 16 << 20, host: true,
  },
  'nginx with its defaults': {
    start: (port) => startNginx(defaults(port), ['front']), body: 1 << 20,
  },
  'nginx with a pool': {
    start: (port) => startNginx(pooled(port), ['front']), body: Infinity, host: true, pools: true,
  },
  Caddy: {
    start: (port) => startCaddy(caddyfile(port), ['front']), body: Infinity, host: true, pools: true,
  },
};

/** Why the tests of one are left out: never where everything is to be run. */
export function missing(name) {
  if (process.env.CI) return false;
  if (name === 'Caddy') return HAS_CADDY ? false : 'no caddy here';
  return HAS_NGINX ? false : 'no nginx here';
}

/** A front before a port: `{origin, url, sse, port, log, stop}`. */
export async function openFront(name, port) {
  const front = await FRONTS[name].start(port);
  const origin = `http://127.0.0.1:${front.ports.front}`;
  return { ...front, port: front.ports.front, origin, url: `${origin}/mcp`, sse: `${origin}/sse` };
}
