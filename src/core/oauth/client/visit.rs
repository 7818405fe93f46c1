//! The pages on which the owner authorizes us elsewhere, the way back from there, and our
//! client-id document.

use crate::base::form::Form;
use crate::base::percent;
use crate::base::secret::Secret;
use crate::cx::Cx;
use crate::http1::head::Method;
use crate::language::WebRequest;
use crate::limits::CONNECTS_MAX;
use crate::links::LinkKey;
use crate::oauth::Step;
use crate::oauth::client::account::{Account, Waiting, host};
use crate::oauth::client::errand::What;
use crate::oauth::client::flow::{Flow, Refusal};
use crate::oauth::client::place::{CONNECT, Place, is_callback};
use crate::oauth::client::{Keyring, registration, tokens};
use crate::oauth::owner::{Visitor, Who};
use crate::web::answer::Answer;
use crate::web::pages::{ConnectView, connect, posted, refusal, see_other};

impl Keyring {
    /// `/oauth/connect/NAME` (GET, POST), `/oauth/callback/MARK`, `/oauth/client/MARK.json`.
    pub fn request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Step {
        let path = request.head.path();
        let step = match (path.strip_prefix(CONNECT), &request.head.method) {
            (Some(name), Method::Get | Method::Head) => {
                Step::Answer(self.connect_page(request, visitor, name))
            }
            (Some(name), Method::Post) => self.connect(cx, link, request, visitor, name),
            // A HEAD would use up what only a GET can finish.
            (None, Method::Get) if is_callback(path) => self.back(cx, link, request, visitor),
            (None, Method::Get | Method::Head) if !is_callback(path) => {
                Step::Answer(self.own_document(request))
            }
            (None, _) if is_callback(path) || self.place.document_at(path).is_some() => {
                Step::Answer(Answer::error(405, "wrong method", "use GET").with("Allow", "GET"))
            }
            _ => Step::Answer(no_page(request)),
        };
        self.settle(cx);
        step
    }

    fn own_document(&self, request: &WebRequest) -> Answer {
        match self.place.document_at(request.head.path()) {
            Some((id, redirect)) => {
                let body = registration::document(&id, &redirect);
                Answer {
                    status: 200,
                    headers: Vec::new(),
                    body,
                }
                .with("Content-Type", "application/json")
                .with("Cache-Control", "max-age=3600")
                .with("X-Content-Type-Options", "nosniff")
            }
            None => no_page(request),
        }
    }

    /// Whether this visitor may authorize at all; else the answer.
    fn admit(&mut self, request: &WebRequest, visitor: &Visitor) -> Result<(), Answer> {
        let headers = &request.head.headers;
        if visitor.who == Who::Stranger {
            let mut to = "/oauth/login?next=".to_owned();
            crate::base::form::encode(&mut to, request.head.path());
            let is_page = matches!(request.head.method, Method::Get | Method::Head);
            let may_come_back = is_page && !is_callback(request.head.path());
            return Err(
                if may_come_back && matches!(self.place, Place::Site { .. }) {
                    see_other(&to)
                } else {
                    let hint = "log in at /oauth/login, then authorize again";
                    refusal(headers, 403, "Only the owner can authorize servers", hint)
                },
            );
        }
        let query = request.head.query().unwrap_or_default();
        let ticket = percent::parameter(query, "ticket");
        if self.place.admit(visitor.browser, ticket.as_deref()) {
            return Ok(());
        }
        let hint = "open the whole URL that 1mcp mcp status shows";
        Err(refusal(
            headers,
            403,
            "This page is for the owner of this 1mcp",
            hint,
        ))
    }

    fn connect_page(&mut self, request: &WebRequest, visitor: &Visitor, name: &str) -> Answer {
        if let Err(answer) = self.admit(request, visitor) {
            return answer;
        }
        let id = percent::segment(name).and_then(|name| self.find_account(&name));
        let Some(account) = id.and_then(|id| self.accounts.get(&id)) else {
            return no_page(request);
        };
        let page = self.place.page(account.name(), &account.server.entry);
        let asked = request.head.headers.get("host");
        if let Some(page) = page.filter(|page| self.place.is_elsewhere(asked, page)) {
            return see_other(&page);
        }
        let standing = account.standing();
        let says = standing
            .as_ref()
            .map_or(UNWANTED, |standing| &standing.says);
        visitor.dress(connect(&ConnectView {
            server: account.name(),
            url: Some(&account.server.url.origin().to_string()),
            issuer: standing
                .as_ref()
                .and_then(|standing| standing.issuer.as_deref()),
            says,
            // Again is always possible: as somebody else, or for want of a reason.
            authorize: standing.is_some(),
            csrf: &visitor.csrf,
        }))
    }

    /// A click on Authorize.
    fn connect(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
        name: &str,
    ) -> Step {
        let headers = &request.head.headers;
        if let Err(answer) = self.admit(request, visitor) {
            return Step::Answer(answer);
        }
        let form = match posted(request) {
            Ok(form) => form,
            Err(answer) => return Step::Answer(answer),
        };
        if !visitor.checks(&form) {
            let hint = "load the page again and press the button there";
            let answer = refusal(headers, 403, "The form is not from this page", hint);
            return Step::Answer(answer);
        }
        let id = percent::segment(name).and_then(|name| self.find_account(&name));
        let Some((id, account)) = id.and_then(|id| Some((id, self.accounts.get_mut(&id)?))) else {
            return Step::Answer(no_page(request));
        };
        let page = self.place.page(account.name(), &account.server.entry);
        if let Some(page) = page.filter(|page| self.place.is_elsewhere(headers.get("host"), page)) {
            return Step::Answer(see_other(&page));
        }
        if account.standing().is_none() {
            return Step::Answer(refusal(
                headers,
                409,
                "There is nothing to authorize",
                UNWANTED,
            ));
        }
        account.waiting.push(Waiting {
            link,
            browser: visitor.browser,
        });
        let waiting: usize = self.accounts.values().map(|one| one.waiting.len()).sum();
        if waiting > CONNECTS_MAX {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.waiting.pop();
            }
            let hint = "wait a minute, then try again";
            let answer = refusal(headers, 503, "Too many authorizations at once", hint);
            return Step::Answer(answer.with("Retry-After", "60"));
        }
        self.search(cx, id);
        Step::Later
    }

    /// A browser comes back.
    fn back(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Step {
        let headers = &request.head.headers;
        if visitor.who == Who::Stranger {
            let hint = "log in at /oauth/login, then authorize again";
            return Step::Answer(refusal(
                headers,
                403,
                "You are not logged in any more",
                hint,
            ));
        }
        let query = Form::parse(request.head.query().unwrap_or_default().as_bytes());
        let now = cx.now.tick;
        let came = query.ok_or(Refusal::Malformed);
        let path = request.head.path();
        let came = came.and_then(|query| self.flows.finish(now, visitor.browser, (path, &query)));
        let (flow, code) = match came {
            Ok(came) => came,
            Err(no) => return Step::Answer(self.refuse(request, &no)),
        };
        let Some(account) = self.accounts.get(&flow.account) else {
            return Step::Answer(no_page(request));
        };
        let order = order(account, &flow, &code);
        let id = flow.account;
        let flow = Box::new(flow);
        self.ask(cx, id, What::Tokens { flow, link }, order);
        Step::Later
    }

    fn refuse(&mut self, request: &WebRequest, no: &Refusal) -> Answer {
        let headers = &request.head.headers;
        let remark = |why: String, account: u32, keyring: &mut Self| {
            if let Some(account) = keyring.accounts.get_mut(&account) {
                account.remark = Some(why);
            }
        };
        match no {
            Refusal::Unknown => refusal(
                headers,
                400,
                "This authorization is not known",
                "It is too old, was finished before, or was not begun here. Begin again on the \
                 page of the server.",
            ),
            Refusal::OtherBrowser => refusal(
                headers,
                403,
                "This authorization was begun in another browser",
                "Finish it there, or begin again here.",
            ),
            Refusal::OtherIssuer { account } => {
                let why = "the answer was not of the authorization server that was asked";
                remark(why.to_owned(), *account, self);
                refusal(
                    headers,
                    400,
                    "The answer is not of the authorization server that was asked",
                    "Nothing was sent to anybody. If this happens again, do not authorize there.",
                )
            }
            Refusal::Denied { account, why } => {
                let issuer = self.accounts.get(account).and_then(Account::issuer);
                let issuer = issuer.unwrap_or_else(|| "the authorization server".to_owned());
                let why = format!("{issuer} said no: {why}");
                remark(why.clone(), *account, self);
                refusal(headers, 400, "Not authorized", &why)
            }
            Refusal::Malformed => refusal(
                headers,
                400,
                "The answer cannot be read",
                "A parameter is missing or stands twice. Begin again on the page of the server.",
            ),
        }
    }
}

impl Account {
    fn issuer(&self) -> Option<String> {
        self.found.as_ref().map(|(_, found)| host(&found.issuer))
    }
}

const UNWANTED: &str = "This server wants no authorization.";

fn order(account: &Account, flow: &Flow, code: &Secret) -> crate::fetch::Order {
    let form = tokens::exchange(code.reveal(), &flow.verifier, &flow.client.redirect);
    let url = std::rc::Rc::clone(&flow.found.token);
    let reach = account.ground.reach(&url);
    tokens::ask(url, reach, &flow.client, &flow.found.resource, form)
}

fn no_page(request: &WebRequest) -> Answer {
    let hint = "the start page is /";
    refusal(&request.head.headers, 404, "No such page", hint)
}
