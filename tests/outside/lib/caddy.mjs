// A Caddy of the tests' own: no admin port, no certificates from anywhere, nothing in anybody's home.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFront } from './front.mjs';

export const HAS_CADDY = !spawnSync('caddy', ['version']).error;

/** Serves `sites`, what belongs into a Caddyfile, with {name} for each of `names`. */
export const startCaddy = (sites, names) => startFront(sites, names, (dir, text) => {
  writeFileSync(join(dir, 'Caddyfile'), `{
\tadmin off
\tauto_https off
\tskip_install_trust
}
${text}
`);
  return {
    command: 'caddy',
    args: ['run', '--adapter', 'caddyfile', '--config', join(dir, 'Caddyfile')],
    env: { HOME: dir, XDG_CONFIG_HOME: join(dir, 'config'), XDG_DATA_HOME: join(dir, 'data') },
  };
});
