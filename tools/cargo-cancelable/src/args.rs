//! The command line.

use cargo_cancelable::finding::Rule;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Finds the code that a cancel does not reach.
#[derive(Parser)]
#[command(
    name = "cargo-cancelable",
    bin_name = "cargo cancelable",
    version,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Reports what nobody cancels. Exit code: 0 if nothing is found, 1 if something is, 2 if it cannot run.
    Check(Check),
    /// Puts the attribute on: where `check` says so, or on a whole module or type.
    Fix(Fix),
    /// Takes the attributes off again.
    Strip(Strip),
    /// Lists all check points, or those that two commits do not share.
    List(List),
}

/// Which packages.
#[derive(clap::Args)]
pub(crate) struct Selection {
    /// Path to Cargo.toml.
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Packages to read; otherwise the one in this folder, or all of a workspace without one.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// All packages of the workspace.
    #[arg(long, conflicts_with = "package")]
    pub(crate) workspace: bool,
    /// All but these, of the workspace.
    #[arg(long, value_name = "NAME", requires = "workspace")]
    pub(crate) exclude: Vec<String>,
    /// Also examples, benches, and tests of all kinds.
    #[arg(long)]
    pub(crate) all_targets: bool,
}

/// Which rules.
#[derive(clap::Args)]
pub(crate) struct Rules {
    /// Only these.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    only: Vec<Rule>,
    /// These as well: some are off unless asked for.
    #[arg(long, value_name = "RULE", value_delimiter = ',', conflicts_with = "only")]
    enable: Vec<Rule>,
    /// All but these.
    #[arg(long, value_name = "RULE", value_delimiter = ',', conflicts_with = "only")]
    disable: Vec<Rule>,
}

impl Rules {
    pub(crate) fn is_on(&self, rule: Rule) -> bool {
        if !self.only.is_empty() {
            return self.only.contains(&rule);
        }
        (rule.is_on() || self.enable.contains(&rule)) && !self.disable.contains(&rule)
    }
}

#[derive(clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Annotations for a pull request on GitHub.
    #[arg(long, conflicts_with = "json")]
    pub(crate) github: bool,
    /// Findings that are not to be told of.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Writes all findings there, as the next baseline.
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(crate) write_baseline: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Fix {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Annotates the functions of this module and of those below, as `net::tcp`.
    #[arg(long, value_name = "MODULE")]
    pub(crate) module: Option<String>,
    /// Annotates the `impl` blocks of this type.
    #[arg(long = "impl", value_name = "TYPE", conflicts_with = "module")]
    pub(crate) implementation: Option<String>,
    /// Prints the difference, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(clap::Args)]
pub(crate) struct Strip {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Prints the difference, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// What has changed since this commit.
    #[arg(long, value_name = "COMMIT")]
    pub(crate) from: Option<String>,
    /// What has changed up to this commit, and not up to the work tree.
    #[arg(long, value_name = "COMMIT", requires = "from")]
    pub(crate) to: Option<String>,
}

impl Args {
    /// Cargo passes the name of the subcommand on: `cargo cancelable check` is `cargo-cancelable cancelable check`.
    pub(crate) fn read() -> Self {
        let mut given: Vec<_> = std::env::args_os().collect();
        if given.get(1).is_some_and(|first| first == "cancelable") {
            given.remove(1);
        }
        Args::parse_from(given)
    }
}
