// A gateway under mixed load and faults for SOAK_S seconds: clients of both eras on every transport,
// children that are killed, remote servers that vanish, a configuration that is edited all the time.
// In the end memory, descriptors and threads are what they were after the warm-up, nobody is a
// zombie, and `/metrics` has counted every call that the clients sent. Prints a line a minute.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './lib/clients.mjs';
import { BIN, fixtureServer, run as runProgram, startGateway } from './lib/gateway.mjs';
import {
  leaver, legacy, modern, official, pick, rubbish, slowReader, Tally,
} from './lib/load.mjs';
import { scrape, sum } from './lib/metrics.mjs';
import { httpFixture } from './lib/remotes.mjs';
import { closeConnections } from './lib/wire.mjs';

const SECONDS = Number(process.env.SOAK_S ?? 1200);
const SAMPLE_MS = Math.min(5_000, (SECONDS * 1000) / 40);
// Answers of finished streams are kept for five minutes: until then memory may grow.
const WARM = Math.min(0.4, 330 / SECONDS) || 0.4;
// What an allocator keeps of the largest answers that were under way at the same time.
const RSS_FACTOR = 1.15;
const RSS_SLACK_KB = 8 * 1024;
const FDS_SLACK = 24;

const began = Date.now();
const clock = () => {
  const s = Math.round((Date.now() - began) / 1000);
  return `${String(Math.floor(s / 60)).padStart(2)}:${String(s % 60).padStart(2, '0')}`;
};
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const remotes = [];
const helpers = [];
let gateway;
/** Ends what was started, however this ends. */
async function endAll() {
  run.stopped = true;
  // A fault that is on its way would start a server once more.
  await Promise.race([Promise.allSettled(helpers), delay(40_000, 'late', { ref: false })]);
  const ends = await Promise.allSettled([gateway?.stop(), ...remotes.map((server) => server.stop())]);
  for (const { reason } of ends) if (reason) console.log(`at the end: ${reason.message}`);
}
/** What a step answers; if it fails, nothing that was started stays. */
const orEnd = (step) => step.catch(async (error) => {
  await endAll();
  throw error;
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => endAll().finally(() => process.exit(1)));
}

/** What all lanes of clients know. */
const run = {
  tally: new Tally(),
  stopped: false,
  steady: 'steady',
  asking: 'asking',
  // Those that come and go are called too; what is left of them is counted in a sum.
  servers: () => Object.keys(config),
  trouble: (error) => {
    const words = `${error.message} ${error.cause?.code ?? ''}`.replace(/[0-9]+/g, 'N').slice(0, 120);
    troubles.set(words, (troubles.get(words) ?? 0) + 1);
  },
};
const troubles = new Map();

for (const era of ['legacy', 'modern']) remotes.push(await orEnd(httpFixture('--era', era)));
const at = (server, path) => ({ url: `http://127.0.0.1:${server.port}${path}` });
const STEADY = { ...fixtureServer('--era', 'modern'), tags: ['a'], isolation: 'shared' };
const BASE = {
  steady: STEADY,
  child: { ...fixtureServer(), tags: ['a', 'b'], restartDelay: 100 },
  other: { ...fixtureServer('--era', 'modern'), tags: ['b'], restartDelay: 100 },
  crashing: { ...fixtureServer('--crash-after', '200'), tags: ['c'], restartDelay: 100 },
  asking: { ...fixtureServer(), tags: ['c'] },
  hasty: { ...fixtureServer('--slow', '200'), tags: ['c'], requestTimeout: 150 },
  remote: { ...at(remotes[0], '/mcp'), tags: ['a'] },
  old: { ...at(remotes[0], '/sse'), tags: ['b'] },
  newer: { ...at(remotes[1], '/mcp'), tags: ['c'] },
};
const KILLED = ['child', 'other', 'asking'];

const args = ['--session-ttl', '1', '--list-wait', '2000'];
gateway = await orEnd(startGateway({ servers: BASE, args }));
Object.assign(run, { url: gateway.url, sse: gateway.sse });
let config = { ...BASE };
const done = { kills: 0, resets: 0, edits: 0, broken: 0 };
const extras = new Set();

/** One edit of mcp.json or presets.json. */
const EDITS = [
  () => {
    const name = `extra_${done.edits}`;
    extras.add(name);
    config = { ...config, [name]: { ...fixtureServer('--tools', '20'), tags: ['a'] } };
  },
  () => {
    const { [pick(Object.keys(config).filter((name) => extras.has(name))) ?? '']: _, ...rest } = config;
    config = rest;
  },
  () => {
    const tags = pick([['a'], ['b'], ['a', 'c'], []]);
    config = { ...config, other: { ...config.other, tags } };
  },
  () => {
    config = { ...config, child: { ...config.child, env: { ROUND: String(done.edits) } } };
  },
  () => {
    const disabledTools = pick([[], ['whoami'], ['add', 'env']]);
    config = { ...config, old: { ...config.old, disabledTools } };
  },
  () => {
    const tagQuery = pick([{ tag: 'a' }, { $or: [{ tag: 'a' }, { tag: 'b' }] }, { $not: { tag: 'c' } }]);
    const preset = { name: 'soak', strategy: 'advanced', tagQuery };
    const text = JSON.stringify({ version: '1.0.0', presets: { soak: preset } });
    writeFileSync(join(gateway.dir, 'presets.new'), text);
    renameSync(join(gateway.dir, 'presets.new'), join(gateway.dir, 'presets.json'));
  },
];

async function edits() {
  while (!run.stopped) {
    await delay(2_000 + Math.random() * 2_000);
    if (run.stopped) return;
    done.edits += 1;
    if (done.edits % 9 === 0) {
      done.broken += 1;
      writeFileSync(join(gateway.dir, 'mcp.json'), '{ "mcpServers": { "half');
      await delay(400);
    } else if (Object.keys(config).length > Object.keys(BASE).length + 2) {
      EDITS[1]();
    } else {
      pick(EDITS)();
    }
    gateway.writeServers(config);
  }
}

/** Kills a child by the process id that `mcp status` tells, and takes remote servers away. */
async function faults() {
  for (let round = 1; !run.stopped; round += 1) {
    await delay(5_000);
    const told = await runProgram(BIN, ['mcp', 'status', '--json', '--config-dir', gateway.dir], { timeout: 30_000 });
    const { servers = [] } = told.stdout ? JSON.parse(told.stdout) : {};
    const victim = servers.find(({ name, pid }) => pid && name === KILLED[round % KILLED.length]);
    if (victim) {
      try {
        process.kill(victim.pid, 'SIGKILL');
        done.kills += 1;
      } catch {
        // It ended by itself.
      }
    }
    if (round % 3 === 0) {
      await pick(remotes).restart();
      done.resets += 1;
    }
  }
}

const status = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]);

/** Children of the gateway that are dead and not buried. */
function zombies() {
  const found = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).split(' ');
      if (words[0] === 'Z' && Number(words[1]) === gateway.pid) found.push(pid);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

const samples = [];
const lasting = [];
/** What it has before anybody comes. */
let idle;

async function watch() {
  let dead = [];
  let line = 0;
  while (!run.stopped) {
    await delay(SAMPLE_MS);
    const now = zombies();
    lasting.push(...now.filter((pid) => dead.includes(pid)));
    dead = now;
    const seen = {
      at: (Date.now() - began) / 1000,
      rss: status('VmRSS'),
      threads: status('Threads'),
      fds: readdirSync(`/proc/${gateway.pid}/fd`).length,
      zombies: now.length,
    };
    samples.push(seen);
    await scrape(gateway.origin);
    if (seen.at / 60 < line) continue;
    line = Math.floor(seen.at / 60) + 1;
    const { ok, tool_error: toolError, error, door, unknown } = run.tally.counts;
    row([clock(), seen.rss, seen.fds, seen.threads, seen.zombies, run.tally.sent, ok, toolError,
      error, door, unknown, done.kills, done.resets, done.edits]);
  }
}

const HEADS = ['time', 'rss kB', 'fds', 'threads', 'zombies', 'calls', 'ok', 'tool err', 'error',
  'door', 'left', 'kills', 'resets', 'edits'];
const row = (cells) => console.log(cells.map((cell) => String(cell).padStart(9)).join(''));

/** What the clients know of their calls and what `/metrics` says of them are the same. */
function account(page, tally) {
  const calls = (fit) => sum(page, 'onemcp_calls_total', (labels) => labels.method === 'tools/call' && fit(labels));
  const all = calls(() => true);
  // Only tools were asked of servers that have left since.
  const forgotten = sum(page, 'onemcp_calls_forgotten_total');
  const { ok, tool_error: toolError, error, door, unknown } = tally.counts;
  const by = {};
  for (const { name, labels, value } of page) {
    if (name !== 'onemcp_calls_total' || labels.method !== 'tools/call') continue;
    by[labels.outcome] = (by[labels.outcome] ?? 0) + value;
  }
  console.log(`metrics: tools/call ${all}, forgotten ${forgotten}: ${JSON.stringify(by)}`);
  // A reset destroys what was not read yet: of those who left, a request may never have come.
  const missing = tally.sent - door - all - forgotten;
  console.log(`of ${tally.sent} calls ${missing} never came, of ${unknown} whose clients left`);
  assert.ok(missing >= 0 && missing <= unknown / 100, `${missing} calls are not accounted for`);
  // Each outcome as its client saw it; of whom left, and of servers that left, only the sum is known.
  const open = unknown + forgotten;
  const between = (what, counted, seen) =>
    assert.ok(counted >= seen - forgotten && counted <= seen + open, `${what}: ${counted} counted, ${seen} seen, ${open} open`);
  between('ok', by.ok ?? 0, ok);
  between('tool_error', by.tool_error ?? 0, toolError);
  const failed = ['error', 'timeout', 'lost', 'refused', 'cancelled'];
  between('errors', failed.reduce((total, name) => total + (by[name] ?? 0), 0), error);
  const offered = page.filter(({ name }) => name === 'onemcp_calls_total');
  const known = new Set(['', ...Object.keys(BASE), ...extras]);
  const strange = offered.filter(({ labels }) => !known.has(labels.server));
  assert.deepEqual(strange, [], 'a server that there never was is a label');
  const tools = new Set(offered.map(({ labels }) => labels.tool));
  console.log(`labels: ${offered.length} series, tools ${[...tools].join(' ')}`);
  const names = /^$|^(echo|add|whoami|big|env|slow|ask|other)$/;
  assert.deepEqual([...tools].filter((tool) => !names.test(tool)), [], 'a name of nothing is a label');
}

/** Growth from the first third after the warm-up to the last, and by the minute. */
function growth(key) {
  const warm = samples.filter(({ at: second }) => second > SECONDS * WARM);
  const third = Math.floor(warm.length / 3);
  const first = median(warm.slice(0, third).map((one) => one[key]));
  const last = median(warm.slice(-third).map((one) => one[key]));
  const mean = (pick) => warm.reduce((total, one) => total + pick(one), 0) / warm.length;
  const [x, y] = [mean((one) => one.at), mean((one) => one[key])];
  const slope = mean((one) => (one.at - x) * (one[key] - y)) / mean((one) => (one.at - x) ** 2);
  return { first, last, perMinute: Math.round(slope * 600) / 10, most: Math.max(...warm.map((one) => one[key])) };
}

const faultsFound = [];
const check = async (what, holds) => {
  try {
    await holds();
    console.log(`passed: ${what}`);
  } catch (error) {
    faultsFound.push(what);
    console.log(`FAILED: ${what}: ${error.message}`);
  }
};

/** The load, and what is left of it. */
async function load() {
  console.log(`soak: ${SECONDS} s, warm-up ${Math.round(SECONDS * WARM)} s, gateway ${gateway.pid}`);
  row(HEADS);
  await delay(1_000);
  idle = { fds: readdirSync(`/proc/${gateway.pid}/fd`).length, threads: status('Threads') };
  const lanes = [
    modern, modern, modern, legacy, legacy, legacy,
    official('legacy', 'http'), official('modern', 'http'), official('legacy', 'sse'), official('modern', 'sse'),
    slowReader, slowReader, leaver, rubbish,
  ].map((lane) => lane(run));
  helpers.push(edits(), faults(), watch());
  setTimeout(() => (run.stopped = true), SECONDS * 1000);
  await Promise.all([...lanes, ...helpers]);
  closeConnections();
}

/** What must hold after it. */
async function look() {
  const rss = growth('rss');
  const fds = growth('fds');
  console.log(`rss: ${JSON.stringify(rss)} kB, fds: ${JSON.stringify(fds)}, threads: ${JSON.stringify(growth('threads'))}`);
  console.log(`calls: ${run.tally.sent} ${JSON.stringify(run.tally.counts)}, faults: ${JSON.stringify(done)}`);
  console.log(`rate: ${Math.round(run.tally.sent / SECONDS)} calls/s`);
  for (const [words, count] of [...run.tally.said].sort((a, b) => b[1] - a[1]).slice(0, 25)) console.log(`  ${count} x ${words}`);
  for (const [words, count] of troubles) console.log(`  trouble ${count} x ${words}`);

  await check(`memory is flat: within ${RSS_FACTOR} and ${RSS_SLACK_KB} kB`, () =>
    assert.ok(rss.last <= rss.first * RSS_FACTOR + RSS_SLACK_KB, `${rss.first} then ${rss.last} kB`));
  await check('descriptors do not grow', () =>
    assert.ok(fds.last <= fds.first + FDS_SLACK, `${fds.first} then ${fds.last}`));
  await check('threads come and go', () =>
    assert.ok(growth('threads').most <= idle.threads + 20, JSON.stringify(growth('threads'))));
  await check('no zombie stays', () => assert.deepEqual(lasting, []));
  await check('no answer was another question\'s', () => assert.deepEqual(run.tally.wrong.slice(0, 5), []));
  await check('all is given back', async () => {
    gateway.writeServers(BASE);
    // Sessions that nobody ended do so after a minute, their children with them, and idle connections
    // after two and a half.
    await until(() => readdirSync(`/proc/${gateway.pid}/fd`).length <= idle.fds + FDS_SLACK, 'descriptors', 200_000);
    await until(() => status('Threads') <= idle.threads, 'threads', 30_000);
  });
  await check('every call is in /metrics', async () => {
    let page;
    await until(async () => {
      page = await scrape(gateway.origin);
      return sum(page, 'onemcp_calls_in_flight') === 0;
    }, 'nothing is in flight', 40_000);
    account(page, run.tally);
  });
  await check('it stops and leaves nothing', async () => {
    const last = gateway;
    gateway = undefined;
    await last.stop();
  });
}

try {
  await load();
  await look();
} catch (error) {
  faultsFound.push('the soak itself');
  console.log(error.stack);
} finally {
  await endAll();
}
console.log(faultsFound.length === 0 ? `soak: passed in ${clock()}` : `soak: ${faultsFound.length} FAILED: ${faultsFound.join('; ')}`);
process.exit(faultsFound.length === 0 ? 0 : 1);
