// A client that is nothing but HTTP: it chooses its own ids and tokens, as the official clients
// do not let a test do.
import http from 'node:http';

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** The messages of an answer, whether it came as JSON or as an event stream. */
function messages(type, text) {
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

/** One POST: `{status, headers, messages}`, the messages in the order in which they came. */
export function post(url, message, { session, version = '2025-06-18', headers = {} } = {}) {
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
  const send = (message) => post(url, message, { session, version });
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  return Object.assign(send, { session, result: opened.messages[0].result });
}

export function closeConnections() {
  agent.destroy();
}
