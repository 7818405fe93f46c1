// An HTTP relay between a client and the gateway. It lets the suite, which calls fixed names, meet
// a server whose names carry a prefix: it puts the prefix in front of what is called and takes it
// off what is listed. Nothing else changes: neither methods, headers, statuses nor the order of
// events. And it can keep a record of everything.
import http from 'node:http';
import { once } from 'node:events';

const NAMED = new Set(['tools/call', 'prompts/get']);
const LISTS = new Set(['tools/list', 'prompts/list']);
const BASE64 = /^=\?base64\?(.*)\?=$/;

/** A header's value with the prefix in front, encoded as it was. */
function prefixed(value, prefix) {
  const coded = BASE64.exec(value);
  if (!coded) return prefix + value;
  const bytes = Buffer.concat([Buffer.from(prefix), Buffer.from(coded[1], 'base64')]);
  return `=?base64?${bytes.toString('base64')}?=`;
}

/** The request with its names mapped, and its method. */
function mapped(text, prefix) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return { text, method: '' };
  }
  if (prefix === '') return { text, method: message?.method, message };
  const { method, params } = message ?? {};
  if (NAMED.has(method) && typeof params?.name === 'string') params.name = prefix + params.name;
  const ref = method === 'completion/complete' ? params?.ref : undefined;
  if (ref?.type === 'ref/prompt') ref.name = prefix + ref.name;
  return { text: ref || NAMED.has(method) ? JSON.stringify(message) : text, method, message };
}

/**
 * Relays to `origin`: `{url, record, stop}`; the record has `{asked, headers, status, type, text}`
 * of each exchange.
 */
export async function startRelay(origin, prefix = '') {
  const { hostname, port } = new URL(origin);
  const agent = new http.Agent({ keepAlive: true });
  const record = [];
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { text, method, message } = mapped(Buffer.concat(parts).toString(), prefix);
    const headers = { ...request.headers };
    if (parts.length > 0) headers['content-length'] = Buffer.byteLength(text);
    delete headers['transfer-encoding'];
    const name = headers['mcp-name'];
    if (name && NAMED.has(method)) headers['mcp-name'] = prefixed(name, prefix);
    const onward = http.request({
      hostname, port, agent, path: request.url, method: request.method, headers,
    });
    // A caller that leaves means something: it cancels.
    response.on('close', () => onward.destroy());
    onward.on('error', () => response.destroy());
    onward.on('response', async (answer) => {
      const { statusCode: status, headers: { 'content-type': type = '' } } = answer;
      const exchange = { asked: message, headers, status, type, text: '' };
      record.push(exchange);
      answer.setEncoding('utf8').on('data', (part) => (exchange.text += part));
      if (prefix === '' || !LISTS.has(method)) {
        response.writeHead(answer.statusCode, answer.headers);
        response.flushHeaders();
        answer.pipe(response);
        return;
      }
      let listed = '';
      for await (const part of answer) listed += part;
      const bare = listed.replaceAll(`"name":"${prefix}`, '"name":"');
      const { 'content-length': _, 'transfer-encoding': __, ...rest } = answer.headers;
      response.writeHead(answer.statusCode, { ...rest, 'content-length': Buffer.byteLength(bare) });
      response.end(bare);
    });
    onward.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    record,
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
