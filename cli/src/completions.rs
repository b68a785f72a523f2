//! `yeoul completions`: what a shell needs to complete the command line.

use clap::{ArgAction, Args, Command};
use clap_complete::Shell;

use crate::tools;
use crate::tools::options::Takes;

/// Prints what a shell needs to complete command lines
#[derive(Args, Debug)]
#[command(
    after_help = "For bash: yeoul completions bash > ~/.local/share/bash-completion/completions/yeoul\n\
For zsh: yeoul completions zsh > a folder of $fpath, as _yeoul\n\
For fish: yeoul completions fish > ~/.config/fish/completions/yeoul.fish"
)]
pub(crate) struct CompletionsOptions {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

impl CompletionsOptions {
    /// Writes the completions of `command` and of Kafka's tools, which it knows nothing of.
    pub(crate) fn write(&self, command: Command, out: &mut dyn std::io::Write) {
        let mut command = with_tools(command);
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, out);
    }
}

fn with_tools(command: Command) -> Command {
    let tools = tools::all().iter().map(|tool| {
        let options =
            tool.options.iter().filter(|option| !["help", "version"].contains(&option.name));
        let arguments = options.map(|option| {
            let argument = clap::Arg::new(option.name).long(option.name).help(option.help);
            match option.takes {
                Takes::Nothing => argument.action(ArgAction::SetTrue),
                Takes::Value => argument.num_args(1),
                Takes::MaybeValue => argument.num_args(0..=1),
            }
        });
        Command::new(tool.name).about(tool.about).disable_help_subcommand(true).args(arguments)
    });
    command.subcommands(tools)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: CompletionsOptions,
    }

    #[test]
    fn commands_and_kafkas_tools_are_completed_in_every_shell() {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let options = Line::parse_from(["x", shell]).options;
            let mut out = Vec::new();
            let command = Command::new("yeoul").subcommand(Command::new("server"));
            options.write(command, &mut out);
            let text = String::from_utf8(out).expect("text");
            for word in ["server", "kafka-topics", "replication-factor", "kafka-server-start"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
