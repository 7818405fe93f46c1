//! Questions of servers without sessions to clients that have one (protocol 3.1, column LM). Such a
//! server answers a call with what it wants to know and forgets it; the client is asked as by any
//! server of its era, and the call is made again with its answers. Owns what is known between the
//! rounds; never looks into an answer.

use std::rc::Rc;

use crate::base::digest::Sha256;
use crate::base::mark::Mark;
use crate::base::short::ShortBytes;
use crate::json::span::Span;
use crate::language::{PoolKey, PoolState};
use crate::limits::{LINE_BYTES_MAX, ROUNDS_MAX};
use crate::route::asks::{AskKey, Asker, Want};
use crate::route::calls::{Call, CallKey, Method, Origin, to_wire};
use crate::route::errors::Failure;
use crate::route::from_modern::Told;
use crate::route::kept::Share;
use crate::route::outgoing::{Letter, put_description};
use crate::route::param_fields::Arguments;
use crate::route::round_asks::{Asked, questions};
use crate::route::splice::{With, fields};
use crate::route::tasks::Step;
use crate::route::{Desk, Hall};
use crate::tally::End;

/// Why a question is not put, although it might be.
const TOO_MUCH: &str = "a question, while too much is kept for other calls: try again";

/// A call to a server without sessions, as it can be made again.
#[derive(Debug)]
pub struct Rounds {
    letter: Letter,
    /// For as long as the letter is kept.
    _share: Share,
    /// How often it was made again.
    count: u32,
    /// What was asked and answered in the last round.
    before: Option<[u8; 32]>,
    /// It was made again since its header fields were not what the server wanted (F9).
    refielded: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The server works on it.
    Sent,
    /// The server has forgotten it; the client is asked.
    Asking(Asking),
    /// The server refused it; its list of tools is awaited.
    Listing,
}

/// One round.
#[derive(Debug)]
pub(crate) struct Asking {
    /// The result that asks.
    result: Rc<Vec<u8>>,
    /// All its questions.
    requests: Option<Span>,
    /// The server's state in it (raw), which goes back as it is.
    state: Option<Span>,
    questions: Vec<Question>,
    /// For as long as all this is kept.
    shares: Vec<Share>,
}

#[derive(Debug)]
struct Question {
    /// Its key in the result (raw).
    key: Span,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Awaited(AskKey),
    Given(Rc<Vec<u8>>, Span),
}

impl Rounds {
    /// A call that is about to be made.
    pub(crate) const fn new(letter: Letter, share: Share) -> Self {
        Self {
            letter,
            _share: share,
            count: 0,
            before: None,
            refielded: false,
            stage: Stage::Sent,
        }
    }

    /// What was asked for.
    pub(crate) const fn letter(&self) -> &Letter {
        &self.letter
    }
}

impl Call {
    /// Whether the server knows nothing of the call: it has forgotten it, since its client is
    /// asked, or the call waits until the server is asked for its task again.
    pub(crate) fn between_rounds(&self) -> bool {
        match &self.origin {
            Origin::Client {
                rounds: Some(again),
                ..
            } => !matches!(again.stage, Stage::Sent),
            Origin::Task(about) => matches!(about.step, Step::Rest),
            _ => false,
        }
    }

    /// Why a question is not put to the client of a call that cannot be made again.
    pub(crate) const fn unasked(&self) -> &'static str {
        match &self.origin {
            Origin::Client { method, .. } if method.may_ask() => TOO_MUCH,
            _ => "a question, to a request that is answered without any",
        }
    }

    fn again(&mut self) -> Option<&mut Rounds> {
        match &mut self.origin {
            Origin::Client { rounds, .. } => rounds.as_deref_mut(),
            Origin::List(_) | Origin::Listen { .. } | Origin::Task(_) | Origin::Quiet => None,
        }
    }

    fn asking(&mut self) -> Option<&mut Asking> {
        match &mut self.again()?.stage {
            Stage::Asking(asking) => Some(asking),
            Stage::Sent | Stage::Listing => None,
        }
    }

    /// It is to be made once more when the list of its server's tools is there; `false` if it
    /// calls no tool, cannot be made again, or was so before.
    pub(crate) fn awaits_list(&mut self) -> bool {
        let again = self.again();
        let Some(again) = again.filter(|again| again.letter.tool.is_some()) else {
            return false;
        };
        if std::mem::replace(&mut again.refielded, true) {
            return false;
        }
        again.stage = Stage::Listing;
        true
    }

    /// Whether it waited for the list, which is there now.
    pub(crate) fn list_is_there(&mut self) -> bool {
        match self.again() {
            Some(again) if matches!(again.stage, Stage::Listing) => {
                again.stage = Stage::Sent;
                true
            }
            _ => false,
        }
    }
}

impl Hall {
    /// Whether calls are to be made again in this session.
    pub(crate) fn has_rounds(&self, pool: PoolKey) -> bool {
        let calls = self.calls.of_pool(pool).into_iter();
        calls
            .filter_map(|key| self.calls.get(key))
            .any(Call::between_rounds)
    }

    /// A server wants to know something before it answers: its client is asked, or the call ends.
    pub(crate) fn begin_round(
        &mut self,
        desk: &mut Desk<'_, '_>,
        mut call: Call,
        told: &Told,
        buffer: &Rc<Vec<u8>>,
    ) {
        let name = self.pool_name(call.pool);
        let asked = questions(buffer, told);
        let share = self.kept.keep(buffer.len());
        let unasked = call.unasked();
        let what = match (&asked, call.again(), share) {
            (Err(what), ..) => what,
            (Ok(_), None, _) => unasked,
            (Ok(_), Some(again), _) if again.count >= ROUNDS_MAX => {
                "one question after the other, and no end of it"
            }
            (Ok(_), Some(_), None) => TOO_MUCH,
            (Ok(_), Some(again), Some(share)) => {
                again.stage = Stage::Asking(Asking {
                    result: Rc::clone(buffer),
                    requests: told.requests,
                    state: told.state,
                    questions: Vec::new(),
                    shares: vec![share],
                });
                ""
            }
        };
        let Some(caller) = call.caller() else {
            return;
        };
        let client = caller.client;
        if !what.is_empty() {
            Mark::RoundRefused.hit();
            let failure = Failure::about(&name, format!("server {name} answered with {what}"));
            let failure = failure.ending(End::Error);
            return desk.fail(client, caller.at, &caller.id, &failure);
        }
        if !self.pools.contains_key(&call.pool) {
            let failure = Failure::down(&name, &PoolState::Stopping);
            return desk.fail(client, caller.at, &caller.id, &failure);
        }
        let Some(key) = self.put_back(desk, call) else {
            return;
        };
        Mark::RoundBegins.hit();
        for (index, asked) in asked.unwrap_or_default().into_iter().enumerate() {
            if let Err(failure) = self.ask_in_round(desk, (key, index), &asked, buffer) {
                return self.unanswered(desk, key, &failure);
            }
        }
        self.go_on(desk, key);
    }

    /// A call that was ended by an answer goes on, though no server works on it for now.
    pub(crate) fn put_back(&mut self, desk: &mut Desk<'_, '_>, call: Call) -> Option<CallKey> {
        let (last, client) = (call.last, call.caller()?.client);
        let (pool, server, request_ms) = (call.pool, call.server, call.request_ms);
        let key = self.insert_call(desk, call.origin, server, pool, request_ms)?;
        if let Some(call) = self.calls.get_mut(key) {
            call.last = last;
            // It is in no session: none works on it.
            call.place = usize::MAX;
        }
        self.clients.entry(client).or_default().calls.push(key);
        Some(key)
    }

    /// Puts one question of a round to the client, or answers it from the configuration.
    fn ask_in_round(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (key, index): (CallKey, usize),
        asked: &Asked,
        buffer: &Rc<Vec<u8>>,
    ) -> Result<(), Failure> {
        let Some(call) = self.calls.get(key) else {
            return Ok(());
        };
        let fixed = self.server(call.server);
        let fixed = fixed.and_then(|server| server.entry.roots.clone());
        let answer = match fixed.filter(|_| asked.want == Want::Roots) {
            Some(roots) => {
                let result = format!("{{\"roots\":{roots}}}").into_bytes();
                let whole = Span::whole(&result);
                Answer::Given(Rc::new(result), whole)
            }
            None => {
                let Some(caller) = call.caller() else {
                    return Ok(());
                };
                let whom = (call.pool, caller.client, caller.at);
                let asker = Asker::Round(key, index);
                Answer::Awaited(self.ask_for_round(desk, asker, whom, asked, buffer)?)
            }
        };
        let question = Question {
            key: asked.key,
            answer,
        };
        if let Some(asking) = self.calls.get_mut(key).and_then(Call::asking) {
            asking.questions.push(question);
        }
        Ok(())
    }

    /// A client answered a question of a round with a result.
    pub(crate) fn round_answered(
        &mut self,
        desk: &mut Desk<'_, '_>,
        (key, index): (CallKey, usize),
        buffer: &Rc<Vec<u8>>,
        result: Span,
    ) {
        let Some(asking) = self.calls.get_mut(key).and_then(Call::asking) else {
            return;
        };
        if let Some(question) = asking.questions.get_mut(index) {
            question.answer = Answer::Given(Rc::clone(buffer), result);
        }
        let given = |question: &Question| match &question.answer {
            Answer::Given(_, at) => at.range().len(),
            Answer::Awaited(_) => 0,
        };
        let share = self.kept.keep(buffer.len());
        let kept = share.is_some();
        asking.shares.extend(share);
        if !kept || asking.questions.iter().map(given).sum::<usize>() > LINE_BYTES_MAX / 2 {
            Mark::RoundTooLong.hit();
            let text = "the answers to the questions of a server are too long to be sent in one";
            let failure = Failure::new(super::errors::INTERNAL, text);
            return self.end_round(desk, key, &failure);
        }
        self.go_on(desk, key);
    }

    /// If nothing is awaited any more the call is made again, unless that led nowhere before.
    fn go_on(&mut self, desk: &mut Desk<'_, '_>, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let pool = call.pool;
        let Some(again) = call.again() else {
            return;
        };
        let Stage::Asking(asking) = &again.stage else {
            return;
        };
        let Some(digest) = asking.digest() else {
            return;
        };
        if again.before == Some(digest) {
            Mark::RoundsLeadNowhere.hit();
            let name = self.pool_name(pool);
            let text =
                format!("server {name} asks the same again and again, whatever it is answered");
            return self.end_round(desk, key, &Failure::about(&name, text));
        }
        again.before = Some(digest);
        again.count += 1;
        if let Stage::Asking(asking) = std::mem::replace(&mut again.stage, Stage::Sent) {
            self.repeat(desk, key, Some(&asking));
        }
    }

    /// Makes the call again, with the answers and the server's own state if it asked.
    pub(crate) fn repeat(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: CallKey,
        asking: Option<&Asking>,
    ) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let Origin::Client {
            caller,
            method,
            rounds: Some(again),
            ..
        } = &call.origin
        else {
            return;
        };
        let Letter {
            buffer,
            envelope,
            token_at,
            edits,
            tool,
        } = &again.letter;
        let (pool, mut edits) = (call.pool, edits.clone());
        if let Some(asking) = asking {
            let theirs = fields(buffer, envelope.params, ["inputResponses", "requestState"]);
            let (Some(params), Ok([None, None])) = (envelope.params, theirs) else {
                let text = "params.inputResponses and params.requestState do not exist in the \
                            revision of this session, and are needed to ask this client: leave \
                            them out";
                return self.end_round(desk, key, &Failure::params(text));
            };
            for piece in asking.pieces() {
                edits.insert(params.start + 1, piece);
            }
        }
        let said = self.description(desk, call.server, caller, *method, (buffer, envelope.meta));
        put_description(buffer, envelope, &said, &mut edits);
        let wire = ShortBytes::decimal(to_wire(key));
        for at in [envelope.id, *token_at].into_iter().flatten() {
            edits.replace(at, wire.clone());
        }
        let message = edits.parts(buffer, envelope.whole);
        let arguments = Arguments {
            tool: tool.as_ref(),
            text: buffer,
            envelope,
        };
        let to = (pool, call.server);
        if let Err(refused) = self.send_call(desk, to, &arguments, &message) {
            let state = desk.backends.state(desk.cx.now, pool);
            let failure = Failure::refused(&self.pool_name(pool), refused, &state);
            return self.end_round(desk, key, &failure);
        }
        Mark::RoundEnds.hit();
        self.calls.renew(desk.cx.now.tick, key);
        self.enter(key);
    }

    /// Ends a call between two rounds: its server keeps nothing, so it need not be told.
    fn end_round(&mut self, desk: &mut Desk<'_, '_>, key: CallKey, failure: &Failure) {
        let call = self.end_call(desk, key);
        if let Some(caller) = call.as_ref().and_then(Call::caller) {
            desk.fail(caller.client, caller.at, &caller.id, failure);
        }
    }

    /// The same when it is the client that cannot, or does not want to answer: who called a tool
    /// reads that as a result, since results are what a model gets to see (protocol 3.4).
    pub(crate) fn unanswered(&mut self, desk: &mut Desk<'_, '_>, key: CallKey, failure: &Failure) {
        let tool = self.calls.get(key).is_some_and(|call| {
            matches!(
                &call.origin,
                Origin::Client {
                    method: Method::Tool | Method::Task(_),
                    ..
                }
            )
        });
        if !tool {
            return self.end_round(desk, key, failure);
        }
        let Some(call) = self.end_call(desk, key) else {
            return;
        };
        if let Some(caller) = call.caller() {
            desk.tool_failed(caller, &failure.message);
        }
    }

    /// The call of a round is over: its client need not answer any more.
    pub(crate) fn withdraw_round(&mut self, desk: &mut Desk<'_, '_>, call: &mut Call) {
        let Some(asking) = call.asking() else {
            return;
        };
        for question in std::mem::take(&mut asking.questions) {
            if let Answer::Awaited(ask) = question.answer {
                self.cancel_ask(desk, ask);
            }
        }
    }
}

impl Asking {
    /// What was asked and answered, in short; `None` while an answer is awaited.
    fn digest(&self) -> Option<[u8; 32]> {
        let mut whole = Sha256::default();
        let mut add = |bytes: &[u8]| {
            whole.add(&bytes.len().to_le_bytes());
            whole.add(bytes);
        };
        add(self.requests.unwrap_or_default().of(&self.result));
        add(self.state.unwrap_or_default().of(&self.result));
        for question in &self.questions {
            let Answer::Given(buffer, at) = &question.answer else {
                return None;
            };
            add(at.of(buffer));
        }
        Some(whole.finish())
    }

    /// The members by which the call is repeated, with a comma behind each: the name of a tool
    /// follows at least.
    fn pieces(&self) -> Vec<With> {
        let own = |text: &str| With::from(text.as_bytes().to_vec());
        let mut pieces = Vec::new();
        for (index, question) in self.questions.iter().enumerate() {
            let Answer::Given(buffer, at) = &question.answer else {
                continue;
            };
            pieces.push(own(if index == 0 {
                "\"inputResponses\":{"
            } else {
                ","
            }));
            pieces.push(With::Piece(Rc::clone(&self.result), question.key));
            pieces.push(own(":"));
            pieces.push(With::Piece(Rc::clone(buffer), *at));
        }
        if !pieces.is_empty() {
            pieces.push(own("},"));
        }
        if let Some(state) = self.state {
            pieces.push(own("\"requestState\":"));
            pieces.push(With::Piece(Rc::clone(&self.result), state));
            pieces.push(own(","));
        }
        pieces
    }
}
