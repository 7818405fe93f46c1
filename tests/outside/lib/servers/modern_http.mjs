// The server of 2026-07-28 over HTTP, at /mcp on the port that PORT names.
import { serve } from '@hono/node-server';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { make } from './made.mjs';

const handler = createMcpHandler(() => make(handler.notify), {
  legacy: 'reject',
  onerror: (error) => process.stderr.write(`${error.message}\n`),
});
const fetch = (request) =>
  new URL(request.url).pathname === '/mcp'
    ? handler.fetch(request)
    : new Response('not here\n', { status: 404 });
serve({ fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) }, ({ port }) =>
  process.stderr.write(`listening on ${port}\n`));
