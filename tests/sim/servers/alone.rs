//! What a server does unasked.

use crate::faults::Fault;
use crate::model::Cx;
use crate::servers::process::Process;
use crate::wire::json::quote;

impl Process {
    /// One moment in which it may do something by itself.
    pub(crate) fn alone(&mut self, cx: &mut Cx<'_>) {
        if !self.modern && cx.hit(Fault::ListChanged) {
            self.more_tools += 1;
            let of = &self.definition;
            let has = [
                ("tools", of.has_tools),
                ("prompts", of.has_prompts),
                ("resources", of.has_resources),
            ];
            let (which, has) = cx.rng.pick(&has);
            if has {
                let method = format!("notifications/{which}/list_changed");
                self.say(cx, &format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
            }
        }
        if cx.hit(Fault::Stray) {
            self.stray(cx);
        }
        if !self.modern {
            self.ask_alone(cx);
        }
        if !self.modern && cx.hit(Fault::AskFlood) {
            self.ask_much(cx);
        }
        if self.urls.len() > cx.rng.index(4) {
            let ask = self.urls.remove(0);
            let method = "notifications/elicitation/complete";
            let params = format!(r#"{{"elicitationId":"e{ask}"}}"#);
            self.say(
                cx,
                &format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
            );
        }
        let uris: Vec<String> = self.subscriptions.iter().cloned().collect();
        if !uris.is_empty() && cx.rng.chance(300) {
            let uri = quote(&cx.rng.pick(&uris));
            let method = "notifications/resources/updated";
            let params = format!(r#"{{"uri":{uri}}}"#);
            self.say(
                cx,
                &format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
            );
        }
        if cx.hit(Fault::EofAlone) {
            self.close_output(cx);
        }
        if cx.hit(Fault::Exits) {
            let code = i32::try_from(cx.rng.below(3)).unwrap_or(0);
            self.die(cx, onemcp::input::ExitStatus::Code(code));
        }
    }

    /// Answers to what nobody asked, words about calls that are over, pings.
    fn stray(&mut self, cx: &mut Cx<'_>) {
        let known = if self.done.is_empty() {
            0
        } else {
            cx.rng.pick(&self.done)
        };
        let free = known > 0;
        let line = match cx.rng.below(6) {
            0 => r#"{"jsonrpc":"2.0","id":987654321,"result":{}}"#.to_owned(),
            1 => r#"{"jsonrpc":"2.0","id":"1","result":{}}"#.to_owned(),
            2 => r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#.to_owned(),
            3 => r#"{"jsonrpc":"2.0","id":0,"result":{}}"#.to_owned(),
            4 if free => format!(r#"{{"jsonrpc":"2.0","id":{known},"result":{{}}}}"#),
            _ if free => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{known},"progress":1}}}}"#
            ),
            _ => r#"{"jsonrpc":"2.0","method":"notifications/unknown"}"#.to_owned(),
        };
        if line.contains("\"ping\"") && !self.modern {
            self.withdrawn.insert("\"p\"".to_owned());
        }
        self.say(cx, &line);
    }
}
