// Bytes that no honest client sends: each has a clear answer, and the next honest request too.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fixtureServer, startGateway } from './lib/gateway.mjs';
import { closeConnections, openSession, post } from './lib/wire.mjs';

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** A request's head, with Host and a final empty line. */
const head = (lines, first = 'POST /mcp HTTP/1.1') => `${first}\r\nHost: 127.0.0.1\r\n${lines}\r\n`;
const sized = (length) => `${JSON_TYPE}Content-Length: ${length}\r\n`;
const chunked = (chunks) => head(`${JSON_TYPE}Transfer-Encoding: chunked\r\n`) + chunks;

// Shapes on which two parsers may disagree about where a request ends, and plain oversize.
const FRAMING = [
  ['a length and chunks', head(`${sized(4)}Transfer-Encoding: chunked\r\n`) + '0\r\n\r\n', [400]],
  ['two lengths that differ', head(`${sized(40)}Content-Length: 4\r\n`) + PING, [400]],
  ['a length with a sign', head(sized('+40')) + PING, [400]],
  ['a length in hexadecimal', head(sized('0x28')) + PING, [400]],
  ['a length that overflows', head(sized('99999999999999999999999')) + PING, [400, 413]],
  ['a negative length', head(sized('-1')) + PING, [400]],
  ['an unknown transfer coding', head(`${JSON_TYPE}Transfer-Encoding: xchunked\r\n`), [400, 501]],
  ['chunked not last', head(`${JSON_TYPE}Transfer-Encoding: chunked, gzip\r\n`), [400, 501]],
  ['a blank before the colon', head(`${JSON_TYPE}Transfer-Encoding : chunked\r\n`), [400]],
  ['a folded header', head(`${JSON_TYPE}X-A: b\r\n c\r\n`), [400]],
  ['a NUL in a header', head(`${JSON_TYPE}X-A: b\0c\r\n`), [400]],
  ['bare line feeds', head(sized(40)).replaceAll('\r\n', '\n') + PING, [400]],
  ['no Host', `POST /mcp HTTP/1.1\r\n${sized(40)}\r\n${PING}`, [400]],
  ['two Hosts', head(`Host: example.org\r\n${sized(40)}`) + PING, [400]],
  ['a chunk size with a sign', chunked(`+28\r\n${PING}\r\n0\r\n\r\n`), [400]],
  ['a chunk size with 0x', chunked(`0x28\r\n${PING}\r\n0\r\n\r\n`), [400]],
  ['a chunk size that overflows', chunked(`FFFFFFFFFFFFFFFFFF\r\n${PING}`), [400, 413]],
  ['a chunk longer than its size', chunked(`5\r\n${PING}\r\n0\r\n\r\n`), [400]],
  ['a header of 1 MB', head(`X-A: ${'a'.repeat(1 << 20)}\r\n${sized(40)}`), [431]],
  ['a target of 1 MB', head(sized(40), `POST /${'a'.repeat(1 << 20)} HTTP/1.1`), [414, 431]],
  ['10000 headers', head('X-A: b\r\n'.repeat(10_000) + sized(40)), [431]],
  ['1 GB announced', head(sized(1 << 30)), [413]],
  ['no HTTP at all', 'hello there\r\n\r\n', [400]],
  ['a TLS hello', Buffer.from('16030100a5010000a1030386d1', 'hex'), [400, 'closed']],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 505]],
];

// Bodies that arrive whole but are no message: status and error code.
const BODIES = [
  ['nothing', '', 400, -32700],
  ['half a document', '{"jsonrpc":"2.0",', 400, -32700],
  ['two documents', `${PING}${PING}`, 400, -32700],
  ['invalid UTF-8', Buffer.from([...Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), 0xff, 0x22, 0x7d]), 400, -32700],
  ['100000 brackets', '['.repeat(100_000), 400, -32700],
  ['100000 closed brackets', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`, 400, -32700],
  ['a number', '42', 400, -32600],
  ['a null id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600],
  ['an object as id', '{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600],
  ['another version', '{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600],
  ['a duplicate key', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400, undefined],
  ['a batch in 2025-06-18', `[${PING}]`, 400, -32600],
];

describe('bad input', () => {
  let gateway, send;
  before(async () => {
    gateway = await startGateway({ servers: { fixture: fixtureServer() } });
    send = await openSession(gateway.url);
  });
  after(async () => {
    closeConnections();
    await gateway?.stop();
  });

  /** Writes bytes; answers all that comes until the other side closes or is silent for a while. */
  function raw(bytes, { silence = 1500, end = false } = {}) {
    const { hostname, port } = new URL(gateway.origin);
    return new Promise((done) => {
      const socket = net.connect(Number(port), hostname);
      let text = '';
      const finish = () => {
        socket.destroy();
        done(text);
      };
      socket.setTimeout(silence, finish);
      socket.on('data', (part) => (text += part.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', finish);
      if (end) socket.end(bytes);
      else socket.write(bytes);
    });
  }
  const status = (text) => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
  const answers = async () => {
    const { messages } = await send(JSON.parse(PING));
    assert.deepEqual(messages.at(-1).result, {});
  };

  for (const [name, bytes, wanted] of FRAMING) {
    test(`framing: ${name} is refused once`, async () => {
      const text = await raw(bytes);
      const got = status(text) || (text === '' ? 'closed' : text.slice(0, 80));
      assert.ok(wanted.includes(got), `${got}, wanted ${wanted}\n${text.slice(0, 500)}`);
      // A second answer would mean that the rest was taken for another request.
      assert.equal((text.match(/HTTP\/1\.1 \d{3} /g) ?? []).length, wanted.includes('closed') && !text ? 0 : 1);
      await answers();
    });
  }

  for (const [name, body, wanted, code] of BODIES) {
    test(`body: ${name}`, async () => {
      const bytes = Buffer.from(body);
      const session = `Mcp-Session-Id: ${send.session}\r\nMCP-Protocol-Version: 2025-06-18\r\n`;
      const text = await raw(Buffer.concat([
        Buffer.from(head(sized(bytes.length) + session + 'Connection: close\r\n')), bytes]));
      assert.equal(status(text), wanted, text.slice(0, 500));
      const error = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error;
      if (code === undefined) assert.ok([-32600, -32700].includes(error.code));
      else assert.equal(error.code, code, error.message);
      await answers();
    });
  }

  test('headers that MCP asks for: each wrong one has its own status', async () => {
    const initialize = {
      jsonrpc: '2.0', id: 1, method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
    };
    const wrong = async (headers, wanted) => {
      const answer = await post(gateway.url, initialize, { headers });
      assert.equal(answer.status, wanted, `${JSON.stringify(headers)}: ${answer.text}`);
    };
    await wrong({ Host: 'evil.example' }, 403);
    await wrong({ Origin: 'http://evil.example' }, 403);
    await wrong({ Accept: 'text/html' }, 406);
    await wrong({ 'Content-Type': 'text/plain' }, 415);
    const unknown = await post(gateway.url, JSON.parse(PING), { session: 'nobody' });
    assert.equal(unknown.status, 404);
    const none = await post(gateway.url, JSON.parse(PING));
    assert.equal(none.status, 400);
    const version = await post(gateway.url, JSON.parse(PING), { session: send.session, version: '1999-01-01' });
    assert.equal(version.status, 400);
  });

  test('paths and methods that do not exist', async () => {
    const lost = await fetch(`${gateway.origin}/nowhere`);
    assert.equal(lost.status, 404);
    assert.match(lost.headers.get('content-type'), /json/);
    const put = await fetch(gateway.url, { method: 'PUT' });
    assert.equal(put.status, 405);
    assert.match(put.headers.get('allow') ?? '', /POST/);
    assert.equal((await fetch(`${gateway.origin}/health`)).status, 200);
    assert.equal((await fetch(`${gateway.origin}/health`, { method: 'HEAD' })).status, 200);
  });

  test('a request byte by byte is a request', async () => {
    const { hostname, port } = new URL(gateway.origin);
    const bytes = head(`${sized(40)}Mcp-Session-Id: ${send.session}\r\nConnection: close\r\n`) + PING;
    const socket = net.connect({ port: Number(port), host: hostname, noDelay: true });
    let text = '';
    socket.on('data', (part) => (text += part));
    const closed = new Promise((done) => socket.on('close', done));
    for (const byte of bytes) {
      socket.write(byte);
      await delay(1);
    }
    await closed;
    assert.equal(status(text), 200, text);
  });

  test('a client that closes its half still gets its answer', async () => {
    const session = `Mcp-Session-Id: ${send.session}\r\n`;
    const text = await raw(head(sized(40) + session) + PING, { end: true });
    assert.equal(status(text), 200, text);
    assert.match(text, /"result":\{\}/);
  });

  test('requests in one write are answered in order', async () => {
    const session = `Mcp-Session-Id: ${send.session}\r\n`;
    const one = (id) => {
      const body = `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
      return head(sized(body.length) + session) + body;
    };
    const text = await raw(one(11) + one(12) + one(13));
    assert.deepEqual([...text.matchAll(/"id":(\d+)/g)].map(([, id]) => id), ['11', '12', '13']);
  });

  test('HTTP/1.0 is answered without chunks and closed', async () => {
    const session = `Mcp-Session-Id: ${send.session}\r\n`;
    const text = await raw(head(sized(40) + session, 'POST /mcp HTTP/1.0') + PING);
    assert.equal(status(text), 200, text);
    assert.doesNotMatch(text, /chunked/i);
  });

  test('Expect: 100-continue is continued', async () => {
    const { hostname, port } = new URL(gateway.origin);
    const socket = net.connect(Number(port), hostname);
    let text = '';
    const session = `Mcp-Session-Id: ${send.session}\r\nExpect: 100-continue\r\n`;
    const answered = new Promise((done) => socket.on('data', (part) => {
      text += part;
      if (/100 Continue\r\n\r\n$/.test(text)) socket.write(PING);
      if (/"result"/.test(text)) done();
    }));
    socket.write(head(sized(40) + session));
    await answered;
    socket.destroy();
    assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/);
  });

  test('two calls of one session under one id: one answer each at most, nothing breaks', async () => {
    const call = (ms) => ({
      jsonrpc: '2.0', id: 5, method: 'tools/call',
      params: { name: 'fixture_1mcp_slow', arguments: { ms } },
    });
    const both = await Promise.all([send(call(300)), send(call(50))]);
    for (const { messages } of both) {
      assert.ok(messages.length <= 1 && messages.every(({ id }) => id === 5));
    }
    await answers();
  });

  test('200 connections that say nothing hinder nobody', async () => {
    const { hostname, port } = new URL(gateway.origin);
    const idle = Array.from({ length: 200 }, () => {
      const socket = net.connect(Number(port), hostname);
      socket.on('error', () => {});
      return socket;
    });
    await delay(200);
    await answers();
    for (const socket of idle) socket.destroy();
    await answers();
  });

  test('clients that leave in the middle of a call take nothing with them', async () => {
    const session = `Mcp-Session-Id: ${send.session}\r\n`;
    const call = JSON.stringify({
      jsonrpc: '2.0', id: 77, method: 'tools/call',
      params: { name: 'fixture_1mcp_slow', arguments: { ms: 200 } },
    });
    for (let round = 0; round < 20; round += 1) {
      await raw(head(sized(call.length) + session) + call.replace('77', `${70 + round}`), { silence: 20 });
    }
    await delay(400);
    await answers();
  });

  test('a config replaced by garbage while serving changes nothing', async () => {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${gateway.dir}/mcp.json`, '{"mcpServers": nonsense');
    await delay(1500);
    const { messages } = await send({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    assert.ok(messages.at(-1).result.tools.some(({ name }) => name === 'fixture_1mcp_echo'));
    assert.match(gateway.log, /mcp\.json.*(line|:)\s*1/i);
  });
});
