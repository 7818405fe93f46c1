//! What a call costs that carries an access token, against one to a gateway without
//! `--enable-auth`.

use crate::Fault;
use crate::http;
use crate::place::{self, Gateway, Programs};
use crate::rows::{CONNECTIONS, Row, measure, median};
use onemcp::entropy::Entropy;
use onemcp::now::UnixSeconds;
use onemcp::oauth::server::record::Record;
use onemcp::oauth::token::Claims;
use onemcp::principal::{GrantId, Scopes};
use std::time::{Duration, SystemTime};

const RATIO_MAX: f64 = 1.20;
const TOOL: &str = "s0_1mcp_echo";
/// Long enough for every run.
const TOKEN_SECONDS: u64 = 24 * 3600;

/// The row, both gateways in turns.
pub(crate) fn cost(programs: &Programs, runs: usize, time: Duration) -> Result<Row, Fault> {
    let plain = Gateway::start(programs, 1)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = UnixSeconds(now.as_secs());
    let mut record = Record::default();
    record.draw_keys(now, &mut Entropy::new(&[7; 32]));
    let mut locked = Gateway::start_locked(programs, &record.write())?;
    let key = record.signing_key().ok_or("no key")?;
    let token = key.sign(&claims(&locked, now)?);
    locked.fields = format!("Authorization: Bearer {}\r\n", token.reveal());
    let mut places = Vec::new();
    for gateway in [&plain, &locked] {
        gateway.wait_for(1)?;
        let requests: Vec<Vec<u8>> = (0..CONNECTIONS)
            .map(|_| {
                Ok(http::post(
                    "/mcp",
                    &gateway.session()?,
                    &place::echo_call(TOOL),
                ))
            })
            .collect::<Result<_, Fault>>()?;
        places.push((gateway, requests));
    }
    let mut seen = vec![Vec::new(); places.len()];
    for _ in 0..runs {
        for ((gateway, requests), list) in places.iter().zip(&mut seen) {
            list.push(measure(gateway.addr, gateway.pid(), requests, time)?.1);
        }
    }
    let medians: Vec<f64> = seen.into_iter().map(median).collect();
    let &[without, with] = medians.as_slice() else {
        return Err("two places".into());
    };
    Ok(Row {
        what: "processor time per call, with a token, against without",
        ours: format!("{with:.1} us"),
        floor: format!("{without:.1} us"),
        ratio: format!("{:.2}", with / without),
        aim: "<= 1.20",
        met: with / without <= RATIO_MAX,
    })
}

fn claims(gateway: &Gateway, now: UnixSeconds) -> Result<Claims, Fault> {
    let own = format!("http://127.0.0.1:{}", gateway.addr.port());
    Ok(Claims {
        issuer: own.as_str().into(),
        audience: own.as_str().into(),
        grant: GrantId([1; 16]),
        client: "load".into(),
        scopes: Scopes::parse("mcp")?,
        issued: now,
        not_before: now,
        expires: UnixSeconds(now.0 + TOKEN_SECONDS),
        id: [1; 16],
    })
}
