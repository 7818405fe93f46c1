// Clients of every kind that call, leave, read slowly and talk nonsense, and the count of what they
// were told. Each goes round until `stopped`; whatever a round meets, the next one follows.
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openClient } from './both.mjs';
import { postBytes } from './flood.mjs';
import { ask, meta, openSession, post } from './wire.mjs';

const PAUSE_MS_MAX = 20;

export const pick = (list) => list[Math.floor(Math.random() * list.length)];
const word = () => Math.random().toString(36).slice(2, 10);

/** What clients know of the calls (`tools/call`) that they sent: how many ended how. */
export class Tally {
  /** Refused before it was a call; sent, and then nobody waited for the answer. */
  counts = { ok: 0, tool_error: 0, error: 0, door: 0, unknown: 0 };
  sent = 0;
  /** What errors said, without what differs from one to the next. */
  said = new Map();
  /** An answer that is not to the question. */
  wrong = [];

  add(outcome, words) {
    this.counts[outcome] += 1;
    if (words === undefined) return;
    const kind = words.replace(/unknown tool: .*/, 'unknown tool').replace(/[0-9]+/g, 'N').replace(/"[^"]*"/g, '"..."').slice(0, 100);
    this.said.set(kind, (this.said.get(kind) ?? 0) + 1);
  }
}

/** Tools, their arguments, and what the answer must be. */
const big = (bytes) => ['big', { bytes }, (text) => text.length === bytes];
const CALLS = [
  () => { const text = word(); return ['echo', { text }, (said) => said === text]; },
  () => ['add', { a: 2, b: 3 }, (said) => /5/.test(said)],
  () => ['whoami', {}, () => true],
  () => big(300),
  () => big(40_000),
  () => big(600_000),
  () => ['env', { name: 'NOBODY_SET_THIS' }, () => true],
  () => ['slow', { ms: 120, steps: 3 }, () => true],
];

/** The next call: `{name, args, good}`. One in ten is of something that there is not. */
function nextCall(servers) {
  const server = pick(servers());
  const [tool, args, good] = pick(CALLS)();
  switch (Math.floor(Math.random() * 20)) {
    case 0: return { name: `${server}_1mcp_${word()}`, args, good };
    case 1: return { name: `${word()}${word()}`, args, good };
    default: return { name: `${server}_1mcp_${tool}`, args, good };
  }
}

/** Takes an answer, `{result, error, id}`, into the tally. */
function took(tally, { id, result, error }, wanted, good) {
  if (id !== wanted) return tally.add('door', error?.message ?? 'an answer without an id');
  if (error) return tally.add('error', error.message);
  if (result.isError) return tally.add('tool_error');
  const text = result.content?.[0].text;
  if (text !== undefined && !good(text)) tally.wrong.push(text.slice(0, 300));
  return tally.add('ok');
}

/** Rounds until it is over. */
async function rounds(run, round, pause = PAUSE_MS_MAX) {
  while (!run.stopped) {
    await round().catch((error) => run.trouble(error));
    await delay(Math.random() * pause);
  }
}

/** Calls without a session. */
export const modern = (run) => rounds(run, async () => {
  const { name, args, good } = nextCall(run.servers);
  const query = pick(['', '', '', '?tags=a', '?filter=a%2Cb', '?tag-filter=not%20c']);
  run.tally.sent += 1;
  const answer = await ask(run.url + query, 'tools/call', { name, arguments: args }).catch((error) => {
    run.tally.add('unknown', String(error.message));
  });
  if (answer) took(run.tally, answer, answer.id, good);
  if (Math.random() < 0.05) await ask(run.url, pick(['tools/list', 'prompts/list', 'resources/list']), {});
});

/** Sessions: some calls, a question now and then, and an end that is sometimes not told. */
export const legacy = (run) => rounds(run, async () => {
  const version = pick(['2025-03-26', '2025-06-18', '2025-11-25']);
  const open = await openSession(run.url, { version, capabilities: { elicitation: {} } });
  for (let id = 10; id < 60 && !run.stopped; id += 1) {
    const asks = Math.random() < 0.1;
    const { name, args, good } = asks
      ? { name: `${run.asking}_1mcp_ask`, args: { kind: 'elicitation', message: 'well?' }, good: () => true }
      : nextCall(run.servers);
    run.tally.sent += 1;
    const replies = [];
    const answer = await open({
      jsonrpc: '2.0', id, method: 'tools/call',
      params: { name, arguments: args, _meta: { progressToken: id } },
    }, (message) => {
      if (message.method !== 'elicitation/create') return;
      const result = { action: 'accept', content: { answer: 'yes' } };
      replies.push(post(run.url, { jsonrpc: '2.0', id: message.id, result }, { session: open.session, version }));
    }).catch((error) => void run.tally.add('unknown', String(error.message)));
    await Promise.all(replies);
    if (answer) took(run.tally, answer.messages.at(-1) ?? {}, id, good);
    await delay(Math.random() * PAUSE_MS_MAX);
  }
  if (Math.random() < 0.9) {
    await fetch(run.url, { method: 'DELETE', headers: { 'Mcp-Session-Id': open.session } });
  }
});

/** The official clients, on either transport, with all that they keep open. */
export const official = (era, kind) => (run) => rounds(run, async () => {
  const client = await openClient(era, kind, { url: run.url, sse: run.sse }, `${era}-${kind}`);
  try {
    await client.watch();
    for (let left = 60; left > 0 && !run.stopped; left -= 1) {
      const text = word();
      run.tally.sent += 1;
      const name = `${pick(run.servers())}_1mcp_echo`;
      const result = await client.call(name, { text }, { timeout: 60_000 }).catch((error) => {
        // What a server answered has its code; what the client makes itself has none, or its own.
        const told = Number.isInteger(error.code) && error.code <= -32600;
        run.tally.add(told ? 'error' : 'unknown', `${error.code} ${error.message}`);
      });
      if (result) took(run.tally, { id: 0, result }, 0, (said) => said === text);
      if (Math.random() < 0.05) await client.tools();
      await delay(Math.random() * 5 * PAUSE_MS_MAX);
    }
  } finally {
    await client.close();
  }
});

const request = (run, name, args) => postBytes(
  run.url,
  { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, _meta: meta() } },
  { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': name });

/** Reads nothing of a long answer for a while, then all of it, or leaves. */
export const slowReader = (run) => rounds(run, async () => {
  const socket = net.connect(Number(new URL(run.url).port), '127.0.0.1');
  const closed = once(socket, 'close').catch(() => {});
  socket.on('error', () => {});
  run.tally.sent += 1;
  socket.write(request(run, `${run.steady}_1mcp_big`, { bytes: 4_000_000 }));
  await delay(1_000 + Math.random() * 4_000);
  if (Math.random() < 0.5) {
    socket.destroy();
    await closed;
    return run.tally.add('unknown');
  }
  let got = '';
  socket.setEncoding('latin1').on('data', (part) => (got += part));
  for (const end = Date.now() + 30_000; Date.now() < end && !got.endsWith('}'); ) await delay(20);
  socket.destroy();
  await closed;
  return run.tally.add(got.length > 4_000_000 ? 'ok' : 'error');
}, 500);

/** Leaves in the middle of a call. */
export const leaver = (run) => rounds(run, async () => {
  const socket = net.connect(Number(new URL(run.url).port), '127.0.0.1');
  socket.on('error', () => {});
  const closed = once(socket, 'close').catch(() => {});
  run.tally.sent += 1;
  socket.write(request(run, `${pick(run.servers())}_1mcp_slow`, { ms: 30_000, steps: 300 }));
  await delay(100 + Math.random() * 900);
  socket.destroy();
  await closed;
  run.tally.add('unknown');
}, 200);

const RUBBISH = [
  () => Buffer.from(Array.from({ length: 2_000 }, () => Math.random() * 256)),
  () => 'GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n',
  () => 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"jsonrpc',
  () => 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}}',
  () => 'POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}',
  () => 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}',
  () => 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n{',
  () => 'POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  () => `GET /${word()} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`,
  () => 'DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nMcp-Session-Id: nobody\r\n\r\n',
  () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

/** Sends what is no request of anybody. */
export const rubbish = (run) => rounds(run, async () => {
  const socket = net.connect(Number(new URL(run.url).port), '127.0.0.1');
  socket.on('error', () => {}).on('data', () => {});
  const closed = once(socket, 'close').catch(() => {});
  socket.write(pick(RUBBISH)());
  await delay(Math.random() * 300);
  socket.destroy();
  await closed;
}, 150);
