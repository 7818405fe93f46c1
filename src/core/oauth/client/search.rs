//! From a refusal to the page on which the owner authorizes us, and from his click to the issuer:
//! who gives the keys, as whom we are known there, and how often we ask.

use std::rc::Rc;

use crate::base::url::Url;
use crate::cx::Cx;
use crate::effect::{Effect, Level};
use crate::language::Token;
use crate::limits::FOUND_MS_MAX;
use crate::oauth::Wish;
use crate::oauth::client::account::{Account, Need, Renewal, Search, Waiting, Worth, host};
use crate::oauth::client::challenge::Bearer;
use crate::oauth::client::discovery::{Came, Discovery, Found, Next};
use crate::oauth::client::documents::{self, Refused};
use crate::oauth::client::errand::{Outcome, What};
use crate::oauth::client::place::{Listener, Place, loopback_port, mark};
use crate::oauth::client::registration::{self, Choice, Client, Means};
use crate::oauth::client::{Keyring, KeyringNews, stepup, tokens};
use crate::web::answer::Answer;
use crate::web::pages::{problem, see_other};

impl Keyring {
    /// O1: the server takes no token, or not this one.
    pub(super) fn refused(
        &mut self,
        cx: &mut Cx<'_>,
        id: u32,
        bearer: Option<Bearer>,
        token: Option<u32>,
        accepted: bool,
    ) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        if let Some(current) = &account.current {
            if token != Some(current.number) {
                // It has not heard of the present one.
                self.tell_token(id);
                return;
            }
            account.refused = Some(current.tokens.access.clone());
            // Its server may have changed whom it trusts.
            account.found = None;
        }
        account.bearer = bearer;
        if account.renewal == Renewal::Busy {
            return;
        }
        match account.worth(cx.now, accepted) {
            Worth::Now => self.renew(cx, id),
            Worth::Later(at) => account.renewal = Renewal::At(at),
            Worth::No => {
                account.current = None;
                self.search(cx, id);
            }
        }
    }

    /// O11: the token is good, but not for this.
    pub(super) fn step_up(
        &mut self,
        cx: &mut Cx<'_>,
        id: u32,
        bearer: Option<Bearer>,
        token: Option<u32>,
        operation: &str,
    ) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let wants_more = |bearer: &Bearer| bearer.error.as_deref() == Some("insufficient_scope");
        let Some(bearer) = bearer.filter(wants_more) else {
            return self.no_more(id);
        };
        let Some(current) = &account.current else {
            self.refused(cx, id, Some(bearer), token, false);
            return;
        };
        if token != Some(current.number) {
            self.tell_token(id);
            return;
        }
        let asked = bearer.scope.as_deref().unwrap_or_default();
        let mut more = account.more.clone();
        stepup::gather(&mut more, asked);
        let is_waiting = account.need == Need::More || !matches!(account.search, Search::Idle);
        if is_waiting && more == account.more {
            // This call waits for an answer as well; a search ends with one.
            return self.announce(cx, id);
        }
        if !account.tries.admit(operation) {
            let name = account.name().clone();
            cx.log(Level::Warn, || {
                format!("server={name} wants more scopes again and again; not asked for any more")
            });
            return self.no_more(id);
        }
        account.more = more;
        account.bearer = Some(bearer);
        self.search(cx, id);
    }

    fn no_more(&mut self, id: u32) {
        if let Some(account) = self.accounts.get(&id) {
            let server = account.name().clone();
            self.news.push_back(KeyringNews::NoMore { server });
        }
    }

    /// Finds out who gives the keys, unless that is known or under way.
    pub(super) fn search(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        if !matches!(account.search, Search::Idle) {
            return;
        }
        let is_fresh = |at| cx.now.tick.since(at) < FOUND_MS_MAX;
        let is_known = account.found.as_ref().is_some_and(|(at, _)| is_fresh(*at));
        if is_known && !account.doubted {
            self.decide(cx, id);
            return;
        }
        let known = account.kept.as_ref().map(|record| record.issuer.clone());
        let bearer = account.bearer.as_ref();
        let (discovery, next) = Discovery::begin(&account.server.url, bearer, known);
        account.search = Search::Finding(discovery);
        self.follow(cx, id, next);
    }

    /// A document of a search has come.
    pub(super) fn document_came(&mut self, cx: &mut Cx<'_>, id: u32, outcome: &Outcome) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let Search::Finding(discovery) = &mut account.search else {
            return;
        };
        let came = match outcome {
            Outcome::Answer(status, bytes) => Came::Answer(*status, bytes),
            Outcome::Nothing(why) => Came::Nothing(why.clone()),
        };
        let next = discovery.came(&came);
        self.follow(cx, id, next);
    }

    fn follow(&mut self, cx: &mut Cx<'_>, id: u32, next: Next) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        match next {
            Next::Get(url) => {
                let order = tokens::get(Rc::clone(&url), account.ground.reach(&url));
                self.ask(cx, id, What::Document, order);
            }
            Next::Abort(why) => {
                account.search = Search::Idle;
                self.trouble(cx, id, &why);
            }
            Next::Found(found) => {
                account.search = Search::Idle;
                account.found = Some((cx.now.tick, *found));
                account.doubted = false;
                self.decide(cx, id);
            }
        }
    }

    /// It is known who gives the keys.
    fn decide(&mut self, cx: &mut Cx<'_>, id: u32) {
        match self.choose(cx, id) {
            None => {}
            Some((_, Choice::Operator(why))) => self.trouble(cx, id, &why),
            Some((_, Choice::Known(_) | Choice::Register(_))) => {
                let Some(account) = self.accounts.get_mut(&id) else {
                    return;
                };
                let need = match account.current {
                    None => Need::Login,
                    Some(_) if !account.more.is_empty() => Need::More,
                    // A click although nothing is needed.
                    Some(_) => account.need.clone(),
                };
                let is_known = account.need == need && !account.waiting.is_empty();
                account.need = need;
                if !is_known {
                    self.announce(cx, id);
                }
                self.send_on(cx, id);
            }
        }
    }

    fn choose(&self, cx: &Cx<'_>, id: u32) -> Option<(Found, Choice)> {
        let account = self.accounts.get(&id)?;
        let (_, found) = account.found.as_ref()?;
        let fresh = account.fresh.as_ref();
        let entry = &account.server.entry;
        if let Some(why) = self.place.conflict(entry) {
            return Some((found.clone(), Choice::Operator(why)));
        }
        let mark = mark(&found.issuer);
        let choice = registration::choose(
            found,
            &Means {
                server: account.name(),
                entry,
                document: self.place.document(&mark).as_deref(),
                redirect: &self.place.redirect(entry),
                own_redirect: &self.place.redirect_of(entry, &mark),
                other: self.mixed_up(id, found),
                kept: account.kept.as_ref(),
                fresh: fresh.map(|(issuer, client)| (issuer.as_str(), client)),
                spoiled: account.spoiled.as_deref(),
                now: cx.now.wall,
            },
        );
        Some((found.clone(), choice))
    }

    /// Tells where the owner authorizes us, as soon as there is such a place.
    pub(super) fn announce(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get(&id) else {
            return;
        };
        let step_up = match account.need {
            Need::Login => false,
            Need::More => true,
            Need::Nothing | Need::Trouble(_) => return,
        };
        let Some(page) = self.place.page(account.name(), &account.server.entry) else {
            self.open_port(cx, id);
            return;
        };
        if let Some(why) = self.place.conflict(&account.server.entry) {
            return self.trouble(cx, id, &why);
        }
        let issuer = account.found.as_ref().map(|(_, found)| host(&found.issuer));
        let issuer = issuer.unwrap_or_default();
        let why = if step_up {
            let more = account.more.join(" ");
            format!("it wants an authorization for more ({more}) from {issuer}")
        } else {
            format!("it wants an authorization from {issuer}")
        };
        self.news.push_back(KeyringNews::Awaiting {
            server: account.name().clone(),
            page: page.into(),
            why,
            step_up,
        });
    }

    /// Opens the port for browsers: the one that an issuer knows, if one does.
    fn open_port(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Place::Local(listener @ Listener::Closed) = &mut self.place else {
            return;
        };
        let account = self.accounts.get(&id);
        let entry = account.and_then(|one| one.server.entry.redirect_url.as_deref());
        let kept = account.and_then(|one| Some(one.kept.as_ref()?.client.redirect.as_str()));
        let port = [entry, kept].into_iter().flatten().find_map(loopback_port);
        *listener = Listener::Opening;
        cx.effects.push(Effect::ListenLocal {
            port: port.unwrap_or(0),
        });
    }

    /// Sends browsers that wait on to the issuer, after making ourselves known there.
    fn send_on(&mut self, cx: &mut Cx<'_>, id: u32) {
        let is_waiting = |account: &Account| !account.waiting.is_empty();
        if !self.accounts.get(&id).is_some_and(is_waiting) {
            return;
        }
        match self.choose(cx, id) {
            None => {}
            Some((_, Choice::Operator(why))) => self.trouble(cx, id, &why),
            Some((found, Choice::Known(client))) => self.leave(cx, id, &found, &client),
            Some((found, Choice::Register(url))) => {
                let Some(account) = self.accounts.get_mut(&id) else {
                    return;
                };
                let mark = mark(&found.issuer);
                let redirect = self.place.redirect_of(&account.server.entry, &mark);
                let scopes = account.scopes(&found).join(" ");
                let scopes = Some(scopes.as_str()).filter(|scopes| !scopes.is_empty());
                let body = registration::request(&found, &redirect, scopes);
                let reach = account.ground.reach(&url);
                let found = Box::new(found);
                account.search = Search::Registering { redirect, found };
                let order = tokens::register(Rc::new(url), reach, body);
                self.ask(cx, id, What::Registration, order);
            }
        }
    }

    /// What became of a registration.
    pub(super) fn registration_came(&mut self, cx: &mut Cx<'_>, id: u32, outcome: Outcome) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let search = std::mem::replace(&mut account.search, Search::Idle);
        let Search::Registering { redirect, found } = search else {
            return;
        };
        // A refusal or a change of the entry meanwhile: it is found out again.
        let is_stale = account.found.as_ref().is_none_or(|(_, now)| *now != *found);
        let client = match outcome {
            Outcome::Nothing(why) => Err(why),
            Outcome::Answer(status, bytes) => match documents::registered(status, &bytes) {
                Ok(registered) => registration::client(&found, &redirect, registered),
                Err(Refused::Unreadable(why)) => Err(why.to_owned()),
                Err(Refused::Said { code, text }) => {
                    Err(format!("it refused to register 1mcp: {code} {text}"))
                }
            },
        };
        match client.and_then(|client| self.unmixed(&found, client)) {
            Ok(client) => {
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.fresh = Some((found.issuer.clone(), client.clone()));
                }
                if !is_stale {
                    // Not looked up again: one whose secret has ended already would be made for
                    // ever.
                    self.leave(cx, id, &found, &client);
                }
            }
            Err(why) => {
                let issuer = host(&found.issuer);
                self.give_back(id, &format!("{issuer}: {}", why.trim()));
            }
        }
        if is_stale {
            self.search(cx, id);
        }
    }

    /// Whether a client is none of another issuer's: one that answers with what we are called
    /// there wants a code of there (RFC 9700 section 4.4).
    fn unmixed(&self, found: &Found, client: Client) -> Result<Client, String> {
        let knows =
            |issuer: &String, known: &Client| *issuer != found.issuer && known.id == client.id;
        let is_anothers = |account: &Account| {
            let kept = account.kept.as_ref();
            kept.is_some_and(|record| knows(&record.issuer, &record.client))
                || account
                    .fresh
                    .as_ref()
                    .is_some_and(|(issuer, known)| knows(issuer, known))
        };
        if self.accounts.values().any(is_anothers) {
            return Err(
                "it gave 1mcp a client id that 1mcp has at another authorization server: put one \
                 that is meant for it into oauth.clientId of the entry"
                    .to_owned(),
            );
        }
        Ok(client)
    }

    /// The issuer of another server to which this one would send the browser, although its keys
    /// are said to come from elsewhere.
    fn mixed_up(&self, id: u32, found: &Found) -> Option<String> {
        let there = found.authorize.origin();
        let is_there = |issuer: &str| {
            issuer != found.issuer && Url::parse(issuer).is_ok_and(|url| url.origin() == there)
        };
        if Url::parse(&found.issuer).is_ok_and(|own| own.origin() == there) {
            return None;
        }
        let others = self.accounts.iter().filter(|(other, _)| **other != id);
        let mut issuers = others.flat_map(|(_, account)| {
            let kept = account.kept.as_ref().map(|record| &record.issuer);
            let found = account.found.as_ref().map(|(_, found)| &found.issuer);
            [kept, found].into_iter().flatten()
        });
        issuers
            .find(|issuer| is_there(issuer))
            .map(|issuer| host(issuer))
    }

    /// Everything is known: the browsers leave.
    fn leave(&mut self, cx: &mut Cx<'_>, id: u32, found: &Found, client: &Client) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let scopes = account.scopes(found);
        let waiting = std::mem::take(&mut account.waiting);
        for Waiting { link, browser } in waiting {
            let what = (found.clone(), client.clone(), scopes.clone());
            let url = self.flows.begin(cx.entropy, cx.now.tick, browser, id, what);
            let answer = see_other(&url);
            self.wish(Wish::Answer { link, answer });
        }
    }

    /// It cannot be had now.
    pub(super) fn trouble(&mut self, cx: &mut Cx<'_>, id: u32, why: &str) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let server = account.name().clone();
        cx.log(Level::Warn, || {
            format!("server={server} cannot be authorized: {why}")
        });
        let works_on = account.current.is_some() && account.refused != account.access();
        if works_on {
            // It serves on with less.
            account.need = Need::Nothing;
            account.more.clear();
            account.remark = Some(why.to_owned());
        } else {
            account.need = Need::Trouble(why.to_owned());
            let why = why.to_owned();
            self.news.push_back(KeyringNews::Failed { server, why });
        }
        self.give_back(id, why);
    }

    /// Browsers that wait are told that it did not work.
    pub(super) fn give_back(&mut self, id: u32, why: &str) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        account.remark = Some(why.to_owned());
        account.doubted = true;
        for Waiting { link, .. } in std::mem::take(&mut account.waiting) {
            let answer = failed(why);
            self.wish(Wish::Answer { link, answer });
        }
    }

    /// Tells the token in use.
    pub(super) fn tell_token(&mut self, id: u32) {
        if let Some(account) = self.accounts.get(&id)
            && let Some(current) = &account.current
        {
            let token = Token {
                number: current.number,
                secret: current.tokens.access.clone(),
            };
            self.news.push_back(KeyringNews::Token {
                server: account.name().clone(),
                url: Rc::clone(&account.server.url),
                token,
            });
        }
    }
}

/// A page for what others are to blame for.
pub(super) fn failed(why: &str) -> Answer {
    let text = format!("{why}. Nothing has changed; you can try again.");
    problem(502, "The authorization did not work", &text)
}
