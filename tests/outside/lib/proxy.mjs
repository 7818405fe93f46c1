// A small HTTP proxy: CONNECT for TLS, whole URLs for the rest. It notes what it was asked for. It
// alone knows the names below `.test`: they are this machine.
import http from 'node:http';
import { once } from 'node:events';
import net from 'node:net';

const resolved = (host) => (host.endsWith('.test') ? '127.0.0.1' : host);

/**
 * `{url, port, asked, stop}`; with `login` ("name:password") nobody else is let through; `at`: the
 * port of one that was stopped.
 */
export async function startProxy({ login, at = 0 } = {}) {
  const asked = [];
  const sockets = new Set();
  const wanted = login && `Basic ${Buffer.from(login).toString('base64')}`;
  const allowed = ({ headers }) => !wanted || headers['proxy-authorization'] === wanted;
  const refusal = { 'Proxy-Authenticate': 'Basic realm="proxy"', 'Content-Length': '0' };

  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (!allowed(request)) return void response.writeHead(407, refusal).end();
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const { hostname, port, pathname, search } = new URL(request.url);
    const to = { host: resolved(hostname), port, path: pathname + search };
    const onward = http.request({ ...to, method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request, socket, head) => {
    asked.push(`CONNECT ${request.url}`);
    socket.on('error', () => {});
    if (!allowed(request)) {
      const lines = ['HTTP/1.1 407 no', 'Proxy-Authenticate: Basic', 'Content-Length: 0', '', ''];
      return void socket.end(lines.join('\r\n'));
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = net.connect(Number(port), resolved(hostname), () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  return {
    port,
    asked,
    url: `http://${login ? `${login}@` : ''}127.0.0.1:${port}`,
    async stop() {
      if (!server.listening) return;
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
