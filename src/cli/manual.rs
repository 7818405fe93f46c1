//! The manual page, made from the table of commands, in the `man` macros that every roff knows.

use super::table::{COMMANDS, Command, DEFAULT, Flag, GLOBAL};

/// The page. Without a date, so that the same version always prints the same.
pub(crate) fn page() -> String {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.raw(&format!(
        ".TH 1MCP 1 \"\" \"1mcp {version}\" \"User Commands\""
    ));
    page.section("NAME");
    page.text("1mcp - one MCP endpoint in front of many MCP servers");
    page.section("SYNOPSIS");
    page.raw(".B 1mcp");
    page.raw("[\\fIFLAGS\\fR] [\\fICOMMAND\\fR ...]");
    page.section("DESCRIPTION");
    page.text(
        "1mcp stands between MCP clients (Claude Desktop, Cursor, VS Code) and MCP servers, and \
         makes many servers look like one. It serves stdio, Streamable HTTP and HTTP with SSE. \
         Tools and prompts are offered as SERVER_1mcp_NAME.",
    );
    page.paragraph("1mcp without a command serves. Global flags stand before or behind a command.");
    page.section("COMMANDS");
    for command in COMMANDS.iter().filter(|command| !command.hidden) {
        page.command(command);
    }
    page.section("GLOBAL FLAGS");
    for flag in GLOBAL {
        page.flag(flag);
    }
    page.variables();
    page.files();
    page.section("EXIT STATUS");
    for (code, meaning) in EXIT_CODES {
        page.entry(&format!("\\fB{code}\\fR"), meaning);
    }
    page.section("EXAMPLES");
    for (index, (what, line)) in EXAMPLES.iter().enumerate() {
        if index > 0 {
            page.raw(".PP");
        }
        page.text(what);
        page.example(line);
    }
    page.section("SEE ALSO");
    page.text("The Model Context Protocol: https://modelcontextprotocol.io");
    page.0
}

/// Characters of a line of text before its escapes.
const COLUMNS_MAX: usize = 74;

const EXIT_CODES: [(&str, &str); 4] = [
    ("0", "Done."),
    ("1", "It was tried and failed, or is not healthy."),
    ("2", "The command line is wrong."),
    ("3", "Nothing runs, or nothing was found."),
];

const EXAMPLES: [(&str, &str); 4] = [
    (
        "Add a server and see whether it works:",
        "1mcp mcp add files -- npx -y @modelcontextprotocol/server-filesystem /data\n\
         1mcp mcp status files",
    ),
    (
        "Take over the servers of Claude Desktop; look first, and give them back:",
        "1mcp app consolidate claude-desktop --dry-run\n1mcp app consolidate claude-desktop\n\
         1mcp app restore claude-desktop",
    ),
    ("Serve HTTP on another port:", "1mcp serve --port 3001"),
    (
        "Completions in this bash:",
        "source <(1mcp completions bash)",
    ),
];

const FILES: [(&str, &str); 8] = [
    (
        "~/.config/1mcp/mcp.json",
        "The servers. $XDG_CONFIG_HOME/1mcp, if that is set, or --config-dir. Comments are fine.",
    ),
    (
        "~/.config/1mcp/presets.json",
        "Filters with a name: 1mcp preset.",
    ),
    (
        "~/.config/1mcp/.env",
        "Values for ${NAME} in mcp.json that the environment does not have.",
    ),
    (
        "~/.config/1mcp/backups/mcp",
        "What mcp.json said before each of the last changes.",
    ),
    (
        "~/.config/1mcp/backups/APP",
        "What the file of an application said before each change.",
    ),
    (
        "~/.config/1mcp/auth",
        "Keys, clients and tokens, for the owner alone. Not to be copied to other machines.",
    ),
    (
        "~/.local/state/1mcp",
        "What is remembered of servers; may be deleted at any time. DIR/state with --config-dir.",
    ),
    (
        "$XDG_RUNTIME_DIR/1mcp",
        "The sockets on which running instances answer mcp status.",
    ),
];

#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, name: &str) {
        self.raw(&format!(".SH {name}"));
    }

    /// Ordinary text, filled by the formatter; the lines of the source are kept short.
    fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split(' ') {
            if line.len() + word.len() >= COLUMNS_MAX {
                self.raw(&escaped(&line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.raw(&escaped(&line));
    }

    fn paragraph(&mut self, text: &str) {
        self.raw(".PP");
        self.text(text);
    }

    /// A tag, with its markup, and what it means.
    fn entry(&mut self, tag: &str, meaning: &str) {
        self.raw(".TP");
        self.raw(tag);
        self.text(meaning);
    }

    fn example(&mut self, lines: &str) {
        self.raw(".PP");
        self.raw(".RS 4");
        self.raw(".nf");
        for line in lines.lines() {
            self.raw(&escaped(line));
        }
        self.raw(".fi");
        self.raw(".RE");
    }

    fn command(&mut self, command: &Command) {
        let words = escaped(&command.words.join(" "));
        self.raw(&format!(".SS \"1mcp {words}\""));
        let operands = match command.operands {
            "" => String::new(),
            operands => format!(" \\fI{}\\fR", escaped(operands)),
        };
        self.raw(&format!("\\fB1mcp {words}\\fR [\\fIFLAGS\\fR]{operands}"));
        self.paragraph(&format!("{}.", command.help));
        for flag in command.flags {
            self.flag(flag);
        }
        if !command.examples.is_empty() {
            self.example(&command.examples.join("\n"));
        }
    }

    fn flag(&mut self, flag: &Flag) {
        let short = match flag.short {
            Some(short) => format!("\\fB\\-{short}\\fR, "),
            None => String::new(),
        };
        let value = match flag.value {
            Some(value) => format!(" \\fI{}\\fR", escaped(value)),
            None => String::new(),
        };
        let long = escaped(&format!("--{}", flag.long));
        let default = match flag.default {
            "" => String::new(),
            default => format!(" Default: {default}."),
        };
        let meaning = format!("{}.{default}", flag.help);
        self.entry(&format!("{short}\\fB{long}\\fR{value}"), &meaning);
    }

    fn variables(&mut self) {
        self.section("ENVIRONMENT");
        self.text("A global flag, or one of serve, can be given as a variable; a flag beats it.");
        let flags = GLOBAL.iter().chain(DEFAULT.flags);
        for flag in flags.filter(|flag| !["help", "version"].contains(&flag.long)) {
            let meaning = format!("As --{}.", flag.long);
            self.entry(&format!("\\fB{}\\fR", escaped(&flag.variable())), &meaning);
        }
        self.entry(
            "\\fBHTTP_PROXY\\fR, \\fBHTTPS_PROXY\\fR, \\fBNO_PROXY\\fR",
            "Proxies on the way to remote servers, and hosts that are spoken to directly. The same \
             in lower case beats them.",
        );
        self.entry(
            "\\fBSSL_CERT_FILE\\fR, \\fBNODE_EXTRA_CA_CERTS\\fR",
            "Files of authorities (PEM) that are trusted beside those that browsers trust.",
        );
        self.entry(
            "\\fBONE_MCP_OWNER_PASSWORD_FILE\\fR",
            "A file whose only line is the owner's password, for serve over HTTP.",
        );
        self.entry(
            "\\fBNO_COLOR\\fR",
            "If set and not empty, nothing is coloured.",
        );
    }

    fn files(&mut self) {
        self.section("FILES");
        for (file, what) in FILES {
            self.entry(&format!("\\fI{}\\fR", escaped(file)), what);
        }
    }
}

/// Text that means itself: no escape, no command at the beginning of a line, and a minus that can
/// be copied into a shell.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '~' => out.push_str("\\(ti"),
            '^' => out.push_str("\\(ha"),
            '`' => out.push_str("\\(ga"),
            '\'' => out.push_str("\\(aq"),
            '"' => out.push_str("\\(dq"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_1_the_page_has_every_command_flag_and_variable() {
        let page = page();
        for command in COMMANDS.iter().filter(|command| !command.hidden) {
            let words = escaped(&command.words.join(" "));
            assert!(page.contains(&format!(".SS \"1mcp {words}\"\n")), "{words}");
            for flag in command.flags.iter().chain(GLOBAL) {
                let long = escaped(&format!("--{}", flag.long));
                let shown = page.contains(&format!("\\fB{long}\\fR"));
                assert!(shown, "{long}");
            }
        }
        for section in [
            "NAME",
            "SYNOPSIS",
            "COMMANDS",
            "ENVIRONMENT",
            "FILES",
            "EXIT STATUS",
            "EXAMPLES",
        ] {
            assert!(page.contains(&format!(".SH {section}\n")), "{section}");
        }
        assert!(page.contains("ONE_MCP_CONFIG_DIR") && !page.contains("__"));
    }

    #[test]
    fn every_line_is_a_known_macro_or_text() {
        let macros = [
            ".TH ", ".SH ", ".SS ", ".PP", ".TP", ".RS ", ".RE", ".nf", ".fi", ".B ",
        ];
        for line in page().lines() {
            let is_text = !line.starts_with(['.', '\'']) && !line.is_empty();
            assert!(
                is_text || macros.iter().any(|known| line.starts_with(known)),
                "{line}"
            );
            assert!(line.is_ascii(), "{line}");
        }
        assert_eq!(escaped(".x\\-'"), "\\&.x\\e\\-\\(aq");
    }
}
