// The commands that README prints are run as printed, against `serve --demo`. Only the port is
// exchanged for a free one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { root, run, startGateway } from './lib/gateway.mjs';

const README = join(root, 'README.md');
const PORT = /(127\.0\.0\.1|localhost|\[::1\]):3050/g;

/** The `curl` commands of the fenced blocks, in order, with their continuation lines. */
function commands(text) {
  const found = [];
  for (const [, block] of text.matchAll(/^```(?:sh|bash|shell|console)\n([^]*?)^```/gm)) {
    const joined = block.replace(/^\$ /gm, '').replace(/\\\n\s*/g, ' ');
    // A quoted body may go over several lines: lines belong together until the quotes close.
    let open = '';
    for (const line of joined.split('\n')) {
      open = open === '' ? line : `${open}\n${line}`;
      if ((open.match(/'/g) ?? []).length % 2 === 1) continue;
      if (/(^|[\s(|=])curl\s/.test(open)) found.push(open);
      open = '';
    }
  }
  return found;
}

describe('README', { skip: existsSync(README) ? false : 'not written yet' }, () => {
  const text = existsSync(README) ? readFileSync(README, 'utf8') : '';
  let gateway;
  before(async () => (gateway = await startGateway({ args: ['--demo'] })));
  after(() => gateway?.stop());

  test('names the two commands', () => {
    assert.match(text, /make run/);
    assert.match(text, /make test/);
  });

  test('prints curl lines and each of them works as printed', async (t) => {
    const curls = commands(text);
    assert.ok(curls.length > 0, 'no curl line found');
    const { host } = new URL(gateway.origin);
    // One shell for all of them: a session id may be kept in a variable between the lines.
    const script = ['set -eu', 'curl() { command curl --fail-with-body --max-time 30 "$@"; }'];
    curls.forEach((line, index) => {
      script.push(line.replace(PORT, host), `printf '\\n=== ${index}\\n'`);
    });
    const done = await run('bash', ['-c', script.join('\n')], { timeout: 60_000 });
    t.diagnostic(done.stdout);
    assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
    const answers = done.stdout.split(/\n=== \d+\n/).slice(0, -1);
    assert.equal(answers.length, curls.length);
    answers.forEach((answer, index) => {
      assert.doesNotMatch(answer, /"error"\s*:/, `${curls[index]}\nanswered ${answer}`);
    });
  });
});
