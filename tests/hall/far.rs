//! Remote servers as the hall sees them: both eras, beside a child (protocol F2 to F13).

use crate::remote::far;
use crate::server::tools;
use crate::world::World;

#[test]
fn a_child_is_served_whatever_a_remote_server_does() {
    let mut w = World::http()
        .remote("r", far(tools(["t"])))
        .server("s", tools(["u"]))
        .start();
    let a = w.client("{}");
    let call = a.call(&mut w, "s_1mcp_u", "{}");
    let seen = w.server("s").expect(&mut w, "tools/call");
    seen.result(&mut w, "{}");
    call.result(&mut w);
}
