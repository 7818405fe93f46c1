// The official Python client of an era with its OAuth, and the owner who lets it in.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import readline from 'node:readline';
import { outside } from './gateway.mjs';
import { secret } from './secrets.mjs';

/** What it was told by the tool, once before and once after a refresh: `{said, stored, revision}`. */
export async function snake(era, url, tool, owner) {
  const child = spawn(
    join(outside, 'out/python', era, 'bin/python'), [join(outside, 'lib/oauth_client.py'), url, tool],
    {
      stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL',
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
  let errors = '';
  child.stderr.on('data', (bytes) => (errors += bytes));
  const closed = once(child, 'close');
  const found = { said: [], stored: 0, revision: undefined, opened: 0 };
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const { open, secret: secrets = [], said, stored, revision } = JSON.parse(line);
    for (const one of secrets) secret('a token of a client', one);
    if (said !== undefined) found.said.push(said);
    if (stored !== undefined) found.stored = stored;
    if (revision !== undefined) found.revision = revision;
    if (open) {
      found.opened += 1;
      const back = await owner.authorize(open);
      child.stdin.write(`${back.href}\n`);
    }
  }
  const [code] = await closed;
  if (code !== 0) throw new Error(`it ended with ${code}: ${errors}`);
  return found;
}
