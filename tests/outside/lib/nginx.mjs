// An nginx of the tests' own.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFront } from './front.mjs';

export const HAS_NGINX = !spawnSync('nginx', ['-v']).error;

/** Serves `config`, what belongs into `http {}`, with {name} for each of `names`. */
export const startNginx = (config, names) => startFront(config, names, (dir, text) => {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((one) => `${one}_temp_path ${dir}/${one};`).join(' ');
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; worker_processes 1; pid ${dir}/pid;
${process.getuid() === 0 ? 'user root;' : ''}
error_log ${dir}/error.log info;
events { worker_connections 256; }
http { access_log off; ${temp}
${text}
}
`);
  return {
    command: 'nginx',
    args: ['-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')],
  };
});
