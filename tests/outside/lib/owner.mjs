// The owner of a gateway, scripted: a cookie jar, redirects one by one and forms as a browser sends
// them, so that he can log in and let a client in or turn it away.
import assert from 'node:assert/strict';
import { secret } from './secrets.mjs';

const STEPS_MAX = 20;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const decoded = (text) =>
  text
    .replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replace(/&#(\d+);/g, (_, number) => String.fromCodePoint(Number(number)))
    .replace(/&(\w+);/g, (whole, name) => ENTITIES[name] ?? whole);

/** The attributes of a tag; one without a value is there and empty. */
function attributes(tag) {
  const found = {};
  for (const [, name, double, single, bare] of
    tag.matchAll(/\s([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    found[name.toLowerCase()] = decoded(double ?? single ?? bare ?? '');
  }
  return found;
}

/** The words that a reader sees. */
export const words = (html) =>
  decoded(html.replace(/<(script|style)[^]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ').trim();

/** The forms of a page: where they go, what they send by themselves, their buttons. */
export function forms(html) {
  return [...html.matchAll(/<form\b([^>]*)>([^]*?)<\/form>/g)].map(([, tag, inner]) => {
    const { method = 'get', action = '' } = attributes(` ${tag}`);
    const fields = [];
    const inputs = [];
    for (const [, input] of inner.matchAll(/<input\b([^>]*)>/g)) {
      const one = attributes(` ${input}`);
      const type = one.type ?? 'text';
      inputs.push({ ...one, type });
      const chosen = !['checkbox', 'radio'].includes(type) || 'checked' in one;
      if (one.name && chosen && type !== 'submit') fields.push([one.name, one.value ?? '']);
      if (/csrf/i.test(one.name ?? '')) secret('a token of a form', one.value);
    }
    const buttons = [...inner.matchAll(/<button\b([^>]*)>([^]*?)<\/button>/g)].map(
      ([, button, text]) => ({ ...attributes(` ${button}`), text: words(text) }));
    return { method: method.toLowerCase(), action, fields, inputs, buttons };
  });
}

/** A browser without a window: cookies go by host and not by port, as everywhere. */
export class Browser {
  cookies = new Map();

  #jar(url) {
    const host = new URL(url).hostname;
    if (!this.cookies.has(host)) this.cookies.set(host, new Map());
    return this.cookies.get(host);
  }

  #keep(url, headers) {
    for (const line of headers.getSetCookie()) {
      const [pair, ...rest] = line.split(/;\s*/);
      const cut = pair.indexOf('=');
      const [name, value] = [pair.slice(0, cut), pair.slice(cut + 1)];
      const flags = new Map(rest.map((flag) => {
        const [key, ...text] = flag.split('=');
        return [key.toLowerCase(), text.join('=')];
      }));
      assert.ok(flags.has('httponly'), `a cookie that scripts can read: ${name}`);
      assert.match(flags.get('samesite') ?? '', /^(lax|strict)$/i, `a cookie for all sites: ${name}`);
      // What knows a browser again concerns the login only; `__Host-` must be for all paths.
      const path = name.endsWith('-known') && !flags.has('secure') ? '/oauth/login' : '/';
      assert.equal(flags.get('path'), path, name);
      if (url.startsWith('https:') || name.startsWith('__Host-')) {
        assert.ok(name.startsWith('__Host-'), `a cookie without __Host- on https: ${name}`);
        assert.ok(flags.has('secure') && !flags.has('domain'), `not a __Host- cookie: ${name}`);
      }
      if (flags.get('max-age') === '0' || value === '') {
        this.#jar(url).delete(name);
      } else {
        this.#jar(url).set(name, {
          value: secret('a cookie', value),
          secure: flags.has('secure'),
          path,
        });
      }
    }
  }

  /** One request, no redirect followed: `{url, status, headers, html, location}`. */
  async request(url, { method = 'GET', body, headers = {} } = {}) {
    const cookies = [...this.#jar(url)]
      .filter(([, { secure }]) => !secure || url.startsWith('https:'))
      .filter(([, { path }]) => new URL(url).pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`);
    const answer = await fetch(url, {
      method,
      body,
      redirect: 'manual',
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        ...(cookies.length > 0 && { cookie: cookies.join('; ') }),
        ...headers,
      },
    });
    this.#keep(url, answer.headers);
    const to = answer.headers.get('location');
    return {
      url,
      status: answer.status,
      headers: answer.headers,
      html: await answer.text(),
      location: to === null ? undefined : resolved(to, url),
    };
  }

  get(url, headers) {
    return this.request(url, { headers: { 'sec-fetch-site': 'none', ...headers } });
  }

  /** Sends a form of a page, with the button that was pressed and what was typed. */
  submit(page, form, { button, typed = {}, headers = {} } = {}) {
    const fields = new URLSearchParams(form.fields.filter(([name]) => !(name in typed)));
    for (const [name, value] of Object.entries(typed)) fields.append(name, value);
    if (button?.name) fields.append(button.name, button.value ?? '');
    const to = new URL(button?.formaction ?? form.action, page.url);
    if (form.method === 'get') {
      to.search = fields.toString();
      return this.get(to.href);
    }
    return this.request(to.href, {
      method: 'POST',
      body: fields.toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(page.url).origin,
        referer: page.url,
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
    });
  }
}

/** A redirect's aim: as it was sent if it is whole, since a private scheme must not change. */
function resolved(to, base) {
  return /^[a-z][a-z0-9+.-]*:/i.test(to) ? to : new URL(to, base).href;
}

const passwordOf = (form) => form.inputs.find(({ type }) => type === 'password');
const button = (form, pattern) =>
  form.buttons.find(({ text, value = '' }) => pattern.test(text) || pattern.test(value));

const ALLOW = /^(allow|approve|accept|authorize)\b/i;
const DENY = /^(deny|refuse|reject|cancel|no)\b/i;

export class Owner extends Browser {
  /** The pages that were seen, newest last. */
  seen = [];

  #turn = Promise.resolve();

  constructor(password) {
    super();
    this.password = secret('the password', password);
  }

  /** Sends the login form of a page. */
  logIn(page, password = this.password) {
    const form = forms(page.html).find(passwordOf);
    assert.ok(form, `no login on ${page.url}: ${page.status} ${words(page.html)}`);
    return this.submit(page, form, { typed: { [passwordOf(form).name]: password } });
  }

  /** Goes on from a page: redirects of `origin` are followed, a login is filled in. */
  async settle(page, origin) {
    for (let step = 0; step < STEPS_MAX; step += 1) {
      this.seen.push(page);
      if (page.location !== undefined && page.status >= 300 && page.status < 400) {
        if (!page.location.startsWith(`${origin}/`)) return page;
        page = await this.get(page.location);
      } else if (page.status === 200 && forms(page.html).some(passwordOf)) {
        page = await this.logIn(page);
      } else {
        return page;
      }
    }
    throw new Error(`no end of redirects at ${page.url}`);
  }

  /**
   * Follows an authorization request to its end and answers the redirect that leaves the gateway;
   * `allow`: what the owner says at the question.
   */
  authorize(url, { allow = true } = {}) {
    // A login without TLS is good for one decision, so one is made after the other.
    const turn = this.#turn.then(() => this.#decide(url, allow));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #decide(url, allow) {
    const { origin } = new URL(url);
    let page = await this.settle(await this.get(String(url)), origin);
    const form = forms(page.html).find((one) => button(one, ALLOW) && button(one, DENY));
    if (page.status === 200 && form) {
      this.consent = page;
      page = await this.settle(
        await this.submit(page, form, { button: button(form, allow ? ALLOW : DENY) }), origin);
    }
    assert.ok(
      page.location !== undefined && page.status >= 300,
      `no redirect from ${page.url}: ${page.status} ${words(page.html)}`);
    const back = new URL(page.location);
    secret('a code', back.searchParams.get('code') ?? '');
    return back;
  }

  /** Presses a button of the gateway's pages and follows wherever it leads, to the end. */
  async press(page, pattern, { within } = {}) {
    for (const form of forms(page.html)) {
      const found = button(form, pattern);
      if (found && (!within || form.action.includes(within))) {
        return this.wander(await this.submit(page, form, { button: found }));
      }
    }
    throw new Error(`no ${pattern} on ${page.url}: ${page.status} ${words(page.html)}`);
  }

  /** Follows redirects wherever they lead; ends at a page or after too many. */
  async wander(page) {
    for (let step = 0; step < STEPS_MAX && page.location !== undefined; step += 1) {
      this.seen.push(page);
      const back = new URL(page.location);
      secret('a code of a server', back.searchParams.get('code') ?? '');
      page = await this.get(page.location, { 'sec-fetch-site': 'cross-site' });
    }
    return page;
  }
}
