// Runs the conformance suite of the protocol's authors against a server and reads what it found.
// A scenario passes only if its own checks ran and none failed or warned: the suite itself also
// counts a scenario without checks as passed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { outside, packageBin, run } from './gateway.mjs';

const SUITE = packageBin('@modelcontextprotocol/conformance', 'conformance');
const OUT = join(outside, 'out');
// These come from the harness for every scenario; alone they prove nothing about the scenario.
const SYNTHETIC = new Set(['wire-schema-valid', 'wire-schema-harness-error']);

/** Runs the suite and reads its results: scenario name -> list of checks. */
export async function conformance(url, label, ...args) {
  const dir = join(OUT, label);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const done = await run(process.execPath, [SUITE, 'server', '--url', url, '-o', dir, ...args]);
  const scenarios = new Map();
  for (const name of readdirSync(dir)) {
    const scenario = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(name)?.[1];
    if (!scenario) continue;
    scenarios.set(scenario, JSON.parse(readFileSync(join(dir, name, 'checks.json'), 'utf8')));
  }
  return { scenarios, done };
}

const NOTHING = 'no check of its own succeeded';

/** Why a scenario did not pass, or undefined. */
function fault(checks) {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  if (bad.length > 0) {
    return bad
      .map((check) => `${check.id}: ${check.status} ${check.errorMessage ?? ''} ` +
        JSON.stringify(check.details ?? {}).slice(0, 2000))
      .join('\n');
  }
  const good = checks.filter(({ id, status }) => status === 'SUCCESS' && !SYNTHETIC.has(id));
  return good.length > 0 ? undefined : NOTHING;
}

/** The scenarios that did not pass, and why. */
export function faults(scenarios, wanted) {
  const found = {};
  for (const name of wanted) {
    const why = scenarios.has(name) ? fault(scenarios.get(name)) : 'was not run';
    if (why) found[name] = why;
  }
  return found;
}

/** How many scenarios failed, as the suite itself counts: a warning is none. */
export function failures(scenarios, wanted) {
  const fails = (name) => scenarios.get(name)?.some(({ status }) => status === 'FAILURE') ?? true;
  return wanted.filter(fails).length;
}

/** Every message of every scenario was checked against its revision's schema, and met it. */
export function schemas(scenarios) {
  const found = { messages: 0, faults: [] };
  for (const [name, checks] of scenarios) {
    for (const { id, status, details, errorMessage } of checks) {
      if (!SYNTHETIC.has(id)) continue;
      found.messages += details?.messagesValidated ?? 0;
      if (status !== 'SUCCESS') found.faults.push(`${name}: ${id}: ${status} ${errorMessage}`);
    }
  }
  return found;
}

/**
 * A checked-in list of what cannot pass: `server`, in the suite's own format (`scenario` or
 * `scenario:check`), `unscored`, the same where the suite does not score, and `warnings`, checks
 * that only warn, which the suite counts as passed.
 */
export function baseline(file) {
  const found = { server: [], unscored: [], warnings: [] };
  let part;
  for (const line of readFileSync(join(outside, file), 'utf8').split('\n')) {
    part = /^(\w+):$/.exec(line)?.[1] ?? part;
    const entry = /^ {2}- (\S+)$/.exec(line)?.[1];
    if (entry) found[part].push(entry);
  }
  return found;
}

/**
 * How a run differs from its list: what failed beside it, and what the list names although it
 * passed.
 */
export function surprises(scenarios, wanted, expected = {}) {
  const { server = [], unscored = [], warnings = [] } = expected;
  const failures = [...server, ...unscored];
  const failed = {};
  const stale = new Set([...failures, ...warnings]);
  for (const name of wanted) {
    const checks = scenarios.get(name);
    if (!checks) {
      failed[name] = 'was not run';
    } else if (failures.includes(name)) {
      if (fault(checks)) stale.delete(name);
    } else {
      const excuse = ({ id, status }) => {
        const entry = `${name}:${id}`;
        const listed = status === 'FAILURE' ? failures : status === 'WARNING' ? warnings : [];
        return listed.includes(entry) ? entry : undefined;
      };
      const excused = checks.map(excuse).filter(Boolean);
      for (const entry of excused) stale.delete(entry);
      const rest = checks.filter((check) => !excuse(check));
      const why = fault(rest);
      if (why && !(excused.length > 0 && why === NOTHING)) failed[name] = why;
    }
  }
  return { failed, stale: [...stale] };
}

/** The names that `list --requirements` gives after one heading and before the next. */
async function listed(revision, heading, next) {
  const { stdout } = await run(process.execPath, [SUITE, 'list', '--requirements', revision]);
  const part = stdout.split(heading)[1].split(next)[0];
  return [...part.matchAll(/^ {2}- (\S+)$/gm)].map((match) => match[1]);
}

export const required = (revision) => listed(revision, 'Server scenarios', 'Client scenarios');
export const requiredOfClients = (revision) => listed(revision, 'Client scenarios', 'Run and');

/**
 * Runs one scenario with the gateway as the client, which a client of an era drives: its checks,
 * and what everybody said.
 */
export async function asClient(scenario, revision, driver) {
  const dir = join(OUT, `client-${revision}-${driver}`, scenario);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const command = `${process.execPath} ${join(outside, 'lib/as_client.mjs')}`;
  const done = await run(process.execPath, [
    SUITE, 'client', '--command', command, '--scenario', scenario, '--spec-version', revision,
    '--timeout', '60000', '-o', dir,
  ], { env: { DRIVER: driver } });
  // A scenario of authorization has a slash in its name, and so a directory more.
  const found = readdirSync(dir, { recursive: true }).find((name) => name.endsWith('checks.json'));
  if (!found) return { checks: [], said: `${done.stderr}\n${done.stdout}`, code: done.code };
  const read = (file) => readFileSync(join(dir, dirname(found), file), 'utf8');
  if (done.code !== 0) done.stdout += read('stderr.txt');
  return {
    checks: JSON.parse(read('checks.json')),
    said: `${done.stderr}\n${done.stdout}`.slice(-6000),
    code: done.code,
  };
}

/**
 * Runs the scenarios of authorization servers; `visit` opens the address that the suite prints, as
 * a person would: scenario name -> list of checks.
 */
export async function authorization(url, label, { clientId, port, resource, revision }, visit) {
  const dir = join(OUT, label);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const child = spawn(process.execPath, [
    SUITE, 'authorization', '--url', url, '--client-id', clientId, '--port', String(port),
    ...(resource ? ['--resource', resource] : []),
    ...(revision ? ['--spec-version', revision] : []), '-o', dir,
  ], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, killSignal: 'SIGKILL' });
  let said = '';
  let visited;
  child.stderr.on('data', (bytes) => (said += bytes));
  child.stdout.on('data', (bytes) => {
    said += bytes;
    // It listens before it prints.
    const address = /^(http\S+[?&]code_challenge=\S+)\n/m.exec(said)?.[1];
    if (address && !visited) visited = visit(address).catch((error) => (said += error.stack));
  });
  const [code] = await once(child, 'close');
  await visited;
  const scenarios = new Map();
  for (const name of readdirSync(dir)) {
    const scenario = /^authorization-server-(.*)-\d{4}-\d\d-\d\dT/.exec(name)?.[1];
    const checks = join(dir, name, 'checks.json');
    // It writes them at the end, if it comes there.
    if (existsSync(checks)) scenarios.set(scenario, JSON.parse(readFileSync(checks, 'utf8')));
  }
  return { scenarios, said, code };
}

/** The scenarios of authorization servers that there are. */
export async function allOfAuthorization() {
  const { stdout } = await run(process.execPath, [SUITE, 'list', '--authorization']);
  return [...stdout.matchAll(/^ {2}- (\S+)/gm)].map((match) => match[1]);
}
