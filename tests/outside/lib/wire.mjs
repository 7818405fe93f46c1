// A client that is nothing but HTTP: it chooses its own ids and tokens, as the official clients
// do not let a test do.
import http from 'node:http';

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** The messages of an answer, whether it came as JSON or as an event stream. */
export function messages(type, text) {
  if (text === '') return [];
  if (type.startsWith('application/json')) return [JSON.parse(text)];
  const found = [];
  for (const block of text.split(/\r?\n\r?\n/)) {
    const data = block
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trimStart());
    if (data.join('') !== '') found.push(JSON.parse(data.join('\n')));
  }
  return found;
}

/** Calls `then` with each message of an event stream as soon as it is whole. */
function asTheyCome(response, then) {
  let rest = '';
  response.on('data', (part) => {
    const blocks = (rest + part).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) for (const message of messages('text/event-stream', block)) then(message);
  });
}

/**
 * One POST: `{status, headers, messages}`, the messages in the order in which they came;
 * `onmessage` has each message of a stream at once.
 */
export function post(
  url, message, { session, version = '2025-06-18', headers = {}, onmessage } = {},
) {
  const body = typeof message === 'string' ? message : JSON.stringify(message);
  return new Promise((done, fail) => {
    const request = http.request(url, {
      method: 'POST',
      agent,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        Accept: 'application/json, text/event-stream',
        ...(session && { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': version }),
        ...headers,
      },
    });
    request.on('error', fail);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      const streams = /event-stream/.test(response.headers['content-type']);
      if (onmessage && streams) asTheyCome(response, onmessage);
      response.on('data', (part) => (text += part));
      response.on('error', fail);
      response.on('end', () => {
        try {
          done({
            status: response.statusCode,
            headers: response.headers,
            text,
            messages: messages(response.headers['content-type'] ?? '', text),
          });
        } catch (error) {
          fail(new Error(`not an MCP answer: ${response.statusCode} ${text}`, { cause: error }));
        }
      });
    });
    request.end(body);
  });
}

/** Opens a session: `(message) => answer` with its id as `session`. */
export async function openSession(url, { version = '2025-06-18', capabilities = {} } = {}) {
  const opened = await post(url, {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: version,
      capabilities,
      clientInfo: { name: 'wire', version: '1' },
    },
  });
  const session = opened.headers['mcp-session-id'];
  if (opened.status !== 200) throw new Error(`initialize: ${opened.status} ${opened.text}`);
  const send = (message, onmessage) => post(url, message, { session, version, onmessage });
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  return Object.assign(send, { session, result: opened.messages[0].result });
}

/** What a request of 2026-07-28 says about itself. */
export function meta(capabilities = {}) {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': { name: 'wire', version: '1' },
  };
}

let lastId = 0;

/** One request of 2026-07-28: its answer, and all messages that came with it. */
export async function ask(url, method, params, { capabilities, headers = {} } = {}) {
  lastId += 1;
  const id = lastId;
  const name = params.name ?? params.uri ?? params.taskId;
  const answer = await post(
    url,
    { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...params._meta, ...meta(capabilities) } } },
    {
      headers: {
        'MCP-Protocol-Version': '2026-07-28',
        'Mcp-Method': method,
        ...(name !== undefined && { 'Mcp-Name': name }),
        ...headers,
      },
    });
  const last = answer.messages.at(-1);
  if (last?.id !== id) throw new Error(`${method}: no answer: ${answer.status} ${answer.text}`);
  return { ...answer, ...last };
}

export function closeConnections() {
  agent.destroy();
}
