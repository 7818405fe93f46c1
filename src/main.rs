//! 1mcp: one static binary that makes many MCP servers look like one.

mod shell;

use std::path::PathBuf;
use std::process::ExitCode;

/// Stand-in until the command line is merged: `__guard`, `serve --transport stdio|http --port N
/// --config FILE`.
fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("__guard") {
        return shell::guard::main().into();
    }
    let mut options = shell::ServeOptions {
        settings: onemcp::settings::Settings::default(),
        http: Some(("127.0.0.1".to_owned(), 3050)),
        config_file: PathBuf::from("mcp.json"),
        config_dir: PathBuf::from("."),
        state_dir: PathBuf::from("state"),
        reload: true,
        log_file: None,
        log_json: false,
        demo: false,
    };
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match arg.as_str() {
            "--transport" if value == "stdio" => options.http = None,
            "--port" => {
                options.http = Some(("127.0.0.1".to_owned(), value.parse().unwrap_or(0)));
            }
            "--config" => {
                options.config_file = PathBuf::from(value);
                options.config_dir = options
                    .config_file
                    .parent()
                    .map(PathBuf::from)
                    .unwrap_or_default();
                options.state_dir = options.config_dir.join("state");
            }
            _ => {}
        }
    }
    options.settings.stdio = options.http.is_none();
    shell::serve(options).into()
}
