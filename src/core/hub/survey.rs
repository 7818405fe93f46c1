//! How everything is doing, for `mcp status`: collected from the hall, the backends and the
//! clients, and given to whoever asks on our own socket.

use crate::cx::Cx;
use crate::effect::Effects;
use crate::hub::Hub;
use crate::instance::survey::{Detail, Lists, ServerSurvey, State, Survey, ToolSurvey};
use crate::instance::{Question, render};
use crate::language::PoolState;
use crate::limits::{STDERR_LINES_BRIEF, STDERR_LINES_KEPT_MAX};
use crate::links::LinkKey;
use crate::now::Now;
use crate::route::Desk;
use crate::route::status::{self, Obstacle, ServerStatus};

impl Hub {
    /// Answers a question, if one was asked.
    pub(super) fn asked(
        &mut self,
        now: Now,
        out: &mut Effects,
        link: LinkKey,
        question: Option<Question>,
    ) {
        let answer = match question {
            None => return,
            Some(Question::Bad(why)) => render::error(why),
            Some(Question::Status(only)) => {
                let stderr_lines = match only {
                    None => STDERR_LINES_BRIEF,
                    Some(_) => STDERR_LINES_KEPT_MAX,
                };
                render::status(&self.survey(now, &Detail { only, stderr_lines }))
            }
        };
        self.instances
            .answer(&mut cx!(self, now, out), link, &answer);
    }

    /// How everything is doing at this moment.
    pub fn survey(&mut self, now: Now, detail: &Detail) -> Survey {
        // A look has no effects.
        let mut nothing = Effects::default();
        let mut cx = cx!(self, now, &mut nothing);
        let desk: &Desk<'_, '_> = desk!(self, cx);
        let wanted = |name: &str| detail.only.as_deref().is_none_or(|only| only == name);
        let mut served = self.hall.status(desk);
        served.retain(|server| wanted(&server.name));
        let mut servers: Vec<ServerSurvey> = served
            .into_iter()
            .map(|server| self.server(now, server, detail.stderr_lines))
            .collect();
        let left_out = self.hall.left_out().filter(|(name, _)| wanted(name));
        servers.extend(left_out.map(|(name, disabled)| {
            ServerSurvey::new(
                name,
                if disabled {
                    State::Disabled
                } else {
                    State::Unselected
                },
            )
        }));
        let about = &self.settings.instance;
        Survey {
            version: self.settings.version.clone(),
            pid: about.pid,
            stdio: self.settings.stdio,
            url: about.url.clone(),
            started_unix_s: now.wall.0.saturating_sub(now.tick.0 / 1000),
            uptime_ms: now.tick.0,
            config_file: about.config_file.clone(),
            sessions: self.clients.count().sessions,
            calls: self.hall.calls_in_flight(),
            servers,
        }
    }

    /// The tools of one server, in its own order.
    #[must_use]
    pub fn tools_of(&self, name: &str) -> Vec<ToolSurvey> {
        let told = self.hall.tools_of(name).into_iter();
        told.map(|(name, description, offered)| ToolSurvey {
            name,
            description,
            offered,
        })
        .collect()
    }

    fn server(&self, now: Now, status: ServerStatus, stderr_lines: usize) -> ServerSurvey {
        let authorize_url = match &status.state {
            PoolState::Awaiting { url, .. } => Some(url.to_string()),
            _ => None,
        };
        let (state, why) = match (status.obstacle, status.state) {
            (Some(Obstacle::Waiting), _) => (State::Waiting, None),
            (Some(Obstacle::Fault(why)), _) => (State::Fault, Some(why)),
            (None, PoolState::Starting) => (State::Starting, None),
            (None, PoolState::Ready) => (State::Ready, None),
            (None, PoolState::Restarting { in_ms, why }) => {
                (State::Restarting { in_ms }, Some(why))
            }
            (None, PoolState::Awaiting { why, .. }) => (State::Awaiting, Some(why)),
            (None, PoolState::Failed { why }) => (State::Failed, Some(why)),
            (None, PoolState::Stopping) => (State::Stopping, None),
        };
        let mut survey = ServerSurvey {
            url: status.url,
            why,
            authorize_url: authorize_url.filter(|url| !url.is_empty()),
            lists: match status.lists {
                status::Lists::Awaited => Lists::Awaited,
                status::Lists::Whole => Lists::Whole,
                status::Lists::Refused(method) => Lists::Refused(method),
            },
            tools: status.tools,
            prompts: status.prompts,
            resources: status.resources,
            sessions: status.sessions,
            ..ServerSurvey::new(&status.name, state)
        };
        let facts = status
            .pools
            .iter()
            .filter_map(|pool| self.backends.facts(*pool));
        for (index, facts) in facts.enumerate() {
            survey.pids.extend(facts.pid);
            if index == 0 {
                survey.uptime_ms = facts.ready_since.map(|since| now.tick.since(since));
                survey.restarts = facts.restarts;
                survey.last_error = facts.last_error.map(str::to_owned);
                let lines: Vec<&str> = facts.stderr().collect();
                let skipped = lines.len().saturating_sub(stderr_lines);
                survey.stderr = lines.into_iter().skip(skipped).map(str::to_owned).collect();
            }
        }
        let mut hellos = status
            .pools
            .iter()
            .filter_map(|pool| self.backends.hello(*pool));
        if let Some(hello) = hellos.next() {
            survey.server_name.clone_from(&hello.name);
            survey.server_version.clone_from(&hello.server_version);
            survey.protocol = Some(hello.version.name());
        }
        survey
    }
}
