//! The dashboard: who may see it, what is on it, and its button Retry. What it looks like is
//! `web::pages`.

use crate::cx::Cx;
use crate::effect::{Effects, Level};
use crate::http1::server::Method;
use crate::hub::Hub;
use crate::instance::survey::{Detail, ServerSurvey, State};
use crate::language::WebRequest;
use crate::now::Now;
use crate::oauth::client::Standing;
use crate::oauth::owner::{Visitor, Who};
use crate::route::Desk;
use crate::web::answer::Answer;
use crate::web::pages::{self, DashboardView, ServerCard};

const LOGIN: &str = "/oauth/login?next=/oauth";

impl Hub {
    /// `/oauth`: everybody who may use `/mcp` sees how the servers are doing; with `--enable-auth`
    /// that is a matter of tokens, which browsers have none of, so there it is the owner.
    pub(super) fn dashboard(
        &mut self,
        now: Now,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Answer {
        let headers = &request.head.headers;
        let page = pages::wants_html(headers);
        if self.settings.auth && visitor.who != Who::Owner {
            return if page {
                pages::see_other(LOGIN)
            } else {
                Answer::error(
                    401,
                    "the owner has not logged in",
                    "open /oauth in a browser",
                )
            };
        }
        let view = self.dashboard_view(now, visitor);
        if page {
            visitor.dress(pages::dashboard(&view))
        } else {
            pages::dashboard_json(&view)
        }
    }

    fn dashboard_view(&mut self, now: Now, visitor: &Visitor) -> DashboardView {
        let survey = self.survey(now, &Detail::default());
        let standing = |server: &ServerSurvey| self.keyring.standing(&server.name);
        let servers = survey.servers.iter();
        DashboardView {
            servers: servers
                .map(|server| card(server, standing(server)))
                .collect(),
            version: survey.version,
            uptime_ms: survey.uptime_ms,
            sessions: survey.sessions,
            logged_in: visitor.who == Who::Owner,
            may_act: visitor.who != Who::Stranger,
            csrf: visitor.csrf.clone(),
        }
    }

    /// `/oauth/retry`: all sessions with one server that wait for their next try, or were given up,
    /// are tried now.
    pub(super) fn retry(
        &mut self,
        now: Now,
        out: &mut Effects,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Answer {
        let headers = &request.head.headers;
        if !matches!(request.head.method, Method::Post) {
            let hint = "the button for that is on /oauth";
            return pages::refusal(headers, 405, "use the button", hint).with("Allow", "POST");
        }
        let form = match pages::posted(request) {
            Ok(form) => form,
            Err(answer) => return answer,
        };
        if visitor.who == Who::Stranger {
            return pages::refusal(
                headers,
                403,
                "only the owner may do that",
                "log in on /oauth",
            );
        }
        if !visitor.checks(&form) {
            let hint = "go back, load the page again and repeat it";
            return pages::refusal(headers, 403, "this page was out of date", hint);
        }
        let name = form.get("server").unwrap_or_default();
        let mut cx = cx!(self, now, out);
        let desk: &Desk<'_, '_> = desk!(self, cx);
        let mut known = self.hall.status(desk).into_iter();
        let Some(server) = known.find(|server| &*server.name == name) else {
            let hint = "it may have been removed; /oauth lists those there are";
            return pages::refusal(headers, 404, "there is no such server", hint);
        };
        for pool in &server.pools {
            self.backends.retry_now(&mut cx, *pool);
        }
        cx.log(Level::Info, || {
            format!("[{}] tried again: the owner asked for it", server.name)
        });
        pages::see_other("/oauth")
    }
}

fn card(server: &ServerSurvey, standing: Option<Standing>) -> ServerCard {
    let says = standing.as_ref().map(|standing| standing.says.clone());
    ServerCard {
        url: server.url.clone(),
        // The keyring knows better what is awaited than the session that awaits it.
        why: match server.state {
            State::Awaiting => says.or_else(|| server.why.clone()),
            _ => server.why.clone(),
        },
        last_error: server.last_error.clone(),
        tools: server.tools,
        prompts: server.prompts,
        resources: server.resources,
        restarts: server.restarts,
        uptime_ms: server.uptime_ms,
        authorize: standing.as_ref().is_some_and(|standing| standing.authorize),
        issuer: standing.and_then(|standing| standing.issuer),
        ..ServerCard::new(&server.name, server.state)
    }
}
