// The server of 2026-07-28 on stdio.
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { make } from './made.mjs';

serveStdio(() => make(), {
  legacy: 'reject',
  onerror: (error) => process.stderr.write(`${error.message}\n`),
});
