//! The dashboard: each server, how it is doing, and what its owner can do about it.

use crate::base::html::{Hole, Html, Template};
use crate::instance::survey::State;
use crate::limits::PAGE_SERVERS_MAX;
use crate::web::answer::Answer;
use crate::web::pages::connect;
use crate::web::pages::policy::Policy;
use crate::web::pages::words::{count, duration, summary};
use crate::web::pages::{Layout, WIDE, fact, page, short};

const DASHBOARD: Template = Template::new(include_str!("dashboard.html"));
const SERVER: Template = Template::new(include_str!("server.html"));
const RETRY: Template = Template::new(include_str!("retry.html"));
const LOG_OUT: Template = Template::new(include_str!("log_out.html"));
const LOG_IN: Template = Template::new(
    "<nav aria-label=\"Account\"><a class=\"button\" href=\"/oauth/login?next=/oauth\">\
     Log in</a></nav>\n",
);

/// What the page knows.
#[derive(Clone, Debug, Default)]
pub struct DashboardView {
    /// Version of this program.
    pub version: String,
    /// Since its start.
    pub uptime_ms: u64,
    /// Sessions of clients.
    pub sessions: usize,
    /// All servers, in the order of the file.
    pub servers: Vec<ServerCard>,
    /// Whether the owner has logged in with this browser.
    pub logged_in: bool,
    /// Whether who looks may authorize and retry.
    pub may_act: bool,
    /// The hidden field `csrf`.
    pub csrf: String,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ServerCard {
    /// Its name in the configuration.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// Where it is, if somebody else runs it; fit to be shown.
    pub url: Option<String>,
    /// Why it does not serve.
    pub why: Option<String>,
    /// Why it was down last, also if it serves again.
    pub last_error: Option<String>,
    /// Tools that are offered, once known.
    pub tools: Option<usize>,
    /// Prompts, once known.
    pub prompts: Option<usize>,
    /// Resources and templates, once known.
    pub resources: Option<usize>,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it serves.
    pub uptime_ms: Option<u64>,
    /// Whether there is something to authorize there.
    pub authorize: bool,
    /// The host that gives the tokens for it.
    pub issuer: Option<String>,
}

impl ServerCard {
    /// A server of which nothing is known but this.
    #[must_use]
    pub fn new(name: &str, state: State) -> Self {
        Self {
            name: name.to_owned(),
            state,
            url: None,
            why: None,
            last_error: None,
            tools: None,
            prompts: None,
            resources: None,
            restarts: 0,
            uptime_ms: None,
            authorize: false,
            issuer: None,
        }
    }

    /// Whether it helps to try it again now.
    const fn can_retry(&self) -> bool {
        matches!(self.state, State::Restarting { .. } | State::Failed)
    }
}

/// The page.
#[must_use]
pub fn dashboard(view: &DashboardView) -> Answer {
    let shown = view.servers.iter().take(PAGE_SERVERS_MAX);
    let servers = shown.enumerate().map(|(at, card)| server(view, at, card));
    let hidden = view.servers.len().saturating_sub(PAGE_SERVERS_MAX);
    let more = (hidden > 0).then(|| {
        let text = format!("{hidden} more are in the list of: 1mcp mcp status");
        Template::new("<p>{text}</p>\n").fill(&[("text", (&text).into())])
    });
    let nav = if view.logged_in {
        LOG_OUT.fill(&[("csrf", Hole::Value(&view.csrf))])
    } else {
        LOG_IN.fill(&[])
    };
    let body = DASHBOARD.fill(&[
        ("summary", (&summary(&view.servers)).into()),
        ("servers", Html::all(servers).into()),
        ("more", more.into()),
        ("version", (&view.version).into()),
        ("uptime", (&duration(view.uptime_ms)).into()),
        ("sessions", (&count(view.sessions, "client")).into()),
    ]);
    let layout = Layout {
        title: "Servers",
        width: WIDE,
        policy: Policy::Live,
    };
    page(200, layout, nav, body)
}

fn server(view: &DashboardView, at: usize, card: &ServerCard) -> Html {
    const URL: Template = Template::new("<p class=\"code quiet\"><bdi>{url}</bdi></p>\n");
    const WHY: Template = Template::new("<p class=\"alert {tone}\"><bdi>{why}</bdi></p>\n");
    let tone = card.state.tone();
    let url = card
        .url
        .as_deref()
        .map(|url| URL.fill(&[("url", (&short(url)).into())]));
    let why = card
        .why
        .as_deref()
        .filter(|why| !why.is_empty())
        .map(|why| WHY.fill(&[("tone", tone.into()), ("why", (&short(why)).into())]));
    SERVER.fill(&[
        ("id", (&format!("server-{at}")).into()),
        ("name", (&short(&card.name)).into()),
        ("tone", tone.into()),
        ("state", (&card.state.words()).into()),
        ("url", url.into()),
        ("why", why.into()),
        ("facts", facts(card).into()),
        ("actions", actions(view, at, card).into()),
    ])
}

fn facts(card: &ServerCard) -> Option<Html> {
    let mut facts = Vec::new();
    let lists = [
        ("Tools", card.tools, true),
        ("Prompts", card.prompts, false),
        ("Resources", card.resources, false),
    ];
    for (name, number, also_none) in lists {
        if let Some(number) = number.filter(|number| also_none || *number > 0) {
            facts.push(fact(name, &number.to_string()));
        }
    }
    if let Some(uptime_ms) = card.uptime_ms {
        facts.push(fact("Up for", &duration(uptime_ms)));
    }
    if card.restarts > 0 {
        facts.push(fact("Restarts", &card.restarts.to_string()));
    }
    if let Some(issuer) = &card.issuer {
        facts.push(fact("Account at", &short(issuer)));
    }
    let last = card.last_error.as_ref();
    if let Some(error) = last.filter(|error| card.why.as_ref() != Some(error)) {
        facts.push(fact("Last error", &short(error)));
    }
    let list = Template::new("<dl class=\"facts\">\n{facts}</dl>\n");
    (!facts.is_empty()).then(|| list.fill(&[("facts", Html::all(facts).into())]))
}

fn actions(view: &DashboardView, at: usize, card: &ServerCard) -> Option<Html> {
    const ACTIONS: Template = Template::new("<div class=\"actions\">\n{actions}</div>\n");
    const AUTHORIZE: Template = Template::new(
        "<a class=\"button main\" id=\"authorize-{at}\" href=\"{path}\">Authorize<span \
         class=\"unseen\"> {name}</span></a>\n",
    );
    if !view.may_act {
        return None;
    }
    let number = at.to_string();
    let name = short(&card.name);
    let authorize = card.authorize.then(|| {
        AUTHORIZE.fill(&[
            ("at", (&number).into()),
            ("path", Hole::Value(&connect::path(&card.name))),
            ("name", (&name).into()),
        ])
    });
    let retry = card.can_retry().then(|| {
        RETRY.fill(&[
            ("at", (&number).into()),
            ("csrf", Hole::Value(&view.csrf)),
            ("server", Hole::Value(&card.name)),
            ("name", (&name).into()),
        ])
    });
    let buttons = Html::all(authorize.into_iter().chain(retry));
    (buttons != Html::default()).then(|| ACTIONS.fill(&[("actions", buttons.into())]))
}
