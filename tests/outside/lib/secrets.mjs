// Every secret that a test used or was given: a gateway that ends must not have written one.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const known = new Map();
// Shorter ones turn up by chance.
const LENGTH_MIN = 12;

/** Remembers a secret by what it is; answers it. */
export function secret(kind, value) {
  if (typeof value === 'string' && value.length >= LENGTH_MIN) known.set(value, kind);
  return value;
}

/** How many are known. */
export const secretsKnown = () => known.size;

/** What kinds of secrets a text contains, also percent-encoded. */
export function leaks(text) {
  const found = new Set();
  for (const [value, kind] of known) {
    if (text.includes(value) || text.includes(encodeURIComponent(value))) found.add(kind);
  }
  return [...found];
}

// What clients keep in turn for the servers behind the gateway is the gateway's to keep.
const KEPT = /^remote-[0-9a-f]+\.json$/;

/** Files of a directory, however deep, that anybody else can read or that contain a secret. */
export function leakingFiles(dir) {
  const found = [];
  for (const name of readdirSync(join(dir), { recursive: true })) {
    const path = join(dir, name);
    const { mode } = statSync(path);
    if (!statSync(path).isFile()) continue;
    const file = name.split('/').at(-1);
    const kinds = file === 'mcp.json' || KEPT.test(file) ? [] : leaks(readFileSync(path, 'latin1'));
    if (kinds.length > 0) found.push(`${name} contains ${kinds.join(', ')}`);
    if (name.startsWith('auth/') && (mode & 0o077) !== 0) {
      found.push(`${name} has mode ${(mode & 0o777).toString(8)}`);
    }
  }
  return found;
}
