//! The scripts that teach a shell to ask us. Each is short: all knowledge is in the program.
//!
//! An answer has one candidate a line, a tab and its help behind it; `:files`, `:directories` and
//! `:programs` are for the shell to look up.

/// The shells.
pub(crate) const SHELLS: [(&str, &str); 3] = [("bash", BASH), ("zsh", ZSH), ("fish", FISH)];

/// The script of one; `None` if there is none.
pub(crate) fn script(shell: &str) -> Option<&'static str> {
    let found = SHELLS.iter().find(|(name, _)| *name == shell);
    found.map(|(_, script)| *script)
}

/// For bash from 3.2 on, which macOS has.
const BASH: &str = r#"# Completions of 1mcp for bash. To have them in every shell:
#   1mcp completions bash > ~/.local/share/bash-completion/completions/1mcp
# or, in ~/.bashrc: source <(1mcp completions bash)
_1mcp() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} candidate
    COMPREPLY=()
    [[ $current == = ]] && current=
    type -P -- "$program" >/dev/null || program=1mcp
    while IFS=$'\t' read -r candidate _; do
        case $candidate in
            :files)
                compopt -o filenames 2>/dev/null
                while IFS= read -r candidate; do
                    COMPREPLY+=("$candidate")
                done < <(compgen -f -- "$current") ;;
            :directories)
                compopt -o filenames 2>/dev/null
                while IFS= read -r candidate; do
                    COMPREPLY+=("$candidate")
                done < <(compgen -d -- "$current") ;;
            :programs)
                while IFS= read -r candidate; do
                    COMPREPLY+=("$candidate")
                done < <(compgen -c -- "$current") ;;
            *)
                COMPREPLY+=("$candidate") ;;
        esac
    done < <("$program" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _1mcp 1mcp
"#;

const ZSH: &str = r#"#compdef 1mcp
# Completions of 1mcp for zsh. To have them in every shell, put this file as _1mcp into a directory
# of $fpath; or, in ~/.zshrc behind compinit: source <(1mcp completions zsh)
_1mcp() {
    local program=${(Q)words[1]} line
    local -a found
    whence -p -- "$program" >/dev/null || program=1mcp
    while IFS= read -r line; do
        case $line in
            :files) compset -P '--*='; _files ;;
            :directories) compset -P '--*='; _files -/ ;;
            :programs) _command_names -e ;;
            *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            ?*) found+=("${line//:/\\:}") ;;
        esac
    done < <("$program" __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#found )) && _describe -t commands 1mcp found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _1mcp "$@"
else
    compdef _1mcp 1mcp
fi
"#;

const FISH: &str = r#"# Completions of 1mcp for fish. To have them in every shell:
#   1mcp completions fish > ~/.config/fish/completions/1mcp.fish
function __1mcp_candidates
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    command -q -- $program; or set program 1mcp
    for line in ($program __complete -- $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :directories
                __fish_complete_directories (commandline -ct)
            case :programs
                __fish_complete_command
            case '*'
                echo -- $line
        end
    end
end
complete -c 1mcp -f -a '(__1mcp_candidates)'
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_asks_the_program_itself() {
        for (name, text) in SHELLS {
            assert_eq!(script(name), Some(text));
            assert!(text.contains("__complete -- "), "{name}");
            for looked_up in [":files", ":directories", ":programs"] {
                assert!(text.contains(looked_up), "{name}");
            }
            let first = text.lines().find(|line| line.starts_with("# ")).unwrap();
            assert!(first.contains(name));
        }
        assert_eq!(script("tcsh"), None);
    }
}
