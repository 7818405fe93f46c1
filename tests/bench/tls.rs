//! What TLS costs on the way to a server: the same calls through nginx before the fixture, in the
//! clear and over TLS.

use crate::Fault;
use crate::eras;
use crate::place::{Gateway, Nginx, Programs};
use crate::remote::Site;
use crate::rows::{Row, measure, median};
use std::path::Path;
use std::time::Duration;

/// Processor time of the gateway for each call, over TLS against in the clear.
pub(crate) fn cost(programs: &Programs, runs: usize, time: Duration) -> Result<Row, Fault> {
    let nginx = programs.nginx.as_deref().ok_or("needs nginx")?;
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let (certificate, key) = (files.join("good.pem"), files.join("key.pem"));
    let site = Site::start(programs, &["--era", "legacy"])?;
    let clear = Nginx::before(nginx, site.addr, None)?;
    let sealed = Nginx::before(nginx, site.addr, Some((&certificate, &key)))?;
    let mut gateways = Vec::new();
    for (scheme, addr) in [("http", clear.addr), ("https", sealed.addr)] {
        let entry = format!(
            "\"s0\": {{\"type\": \"http\", \"url\": \"{scheme}://{addr}/mcp\", \
             \"isolation\": \"shared\"}}"
        );
        let gateway = Gateway::start_trusting(programs, &files.join("ca.pem"), &[entry])?;
        gateway.wait_for(1)?;
        gateways.push((eras::legacy(&gateway)?, gateway));
    }
    let mut seen = vec![Vec::new(); gateways.len()];
    for _ in 0..runs {
        for ((requests, gateway), list) in gateways.iter().zip(&mut seen) {
            list.push(measure(gateway.addr, gateway.pid(), requests, time)?.1);
        }
    }
    let medians: Vec<f64> = seen.into_iter().map(median).collect();
    let &[clear, sealed] = medians.as_slice() else {
        return Err("two gateways".into());
    };
    Ok(Row {
        what: "processor time per call to a server over TLS, against in the clear",
        ours: format!("{sealed:.1} us"),
        floor: format!("{clear:.1} us"),
        ratio: format!("{:.2}", sealed / clear),
        aim: "<= 1.5",
        met: sealed / clear <= 1.5,
    })
}
