// TLS of the tests: an authority of their own, made anew each time, and a terminator that takes
// TLS off and passes the bytes on.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { run } from './gateway.mjs';

const NAMES = 'subjectAltName=DNS:localhost,IP:127.0.0.1';

async function openssl(dir, ...args) {
  const { code, stderr } = await run('openssl', args, { cwd: dir, timeout: 30_000 });
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

/** An authority in files of a directory: `{ca, cert, key, issue, remove}`; all are paths. */
export async function makeAuthority() {
  const dir = mkdtempSync(join(tmpdir(), '1mcp-tls-'));
  const at = (name) => join(dir, name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    dir, 'req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2',
    '-subj', '/CN=authority of a test', '-addext', 'basicConstraints=critical,CA:TRUE');
  /** A certificate for the names of an extension: `{cert, key}`. */
  const issue = async (name, names = NAMES) => {
    await openssl(
      dir, 'req', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`,
      '-subj', '/CN=server of a test');
    writeFileSync(at(`${name}.ext`), `${names}\nbasicConstraints=CA:FALSE\n`);
    await openssl(
      dir, 'x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key',
      '-CAcreateserial', '-out', `${name}.pem`, '-days', '1', '-extfile', `${name}.ext`);
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  };
  const server = await issue('server');
  return {
    ca: at('ca.pem'), ...server, issue,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Listens with TLS and passes on to a port of this machine: `{port, count, use, stop}`. */
export async function startTls(to, { cert, key }) {
  const files = (from) => ({ cert: readFileSync(from.cert), key: readFileSync(from.key) });
  const sockets = new Set();
  const front = { connections: 0 };
  const server = tls.createServer({ ...files({ cert, key }), ALPNProtocols: ['http/1.1'] }, (socket) => {
    front.connections += 1;
    const onward = net.connect({ port: to, host: '127.0.0.1', noDelay: true });
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('close', () => sockets.delete(one));
    }
    socket.on('error', () => onward.destroy());
    socket.on('close', () => onward.destroy());
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.end());
    socket.pipe(onward).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  front.port = server.address().port;
  /** From the next connection on, another certificate. */
  front.use = (other) => server.setSecureContext(files(other));
  /** Cuts every connection. */
  front.cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  front.stop = async () => {
    front.cut();
    server.close();
    await once(server, 'close');
  };
  return front;
}
