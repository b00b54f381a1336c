//! `roadstead completions`: what a shell needs to complete our commands.

use crate::output;
use clap_complete::Shell;

/// Print completions for a shell, to be read by it at its start.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, mut command: clap::Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "roadstead", &mut script);
    output::bytes(&mut std::io::stdout(), &script);
}
