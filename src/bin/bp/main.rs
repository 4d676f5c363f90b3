//! The command line of `bp`: parse arguments, open files, call the library, choose a view.

mod annex;
mod attest;
mod cli;
mod clock;
mod contract;
mod examples;
mod explain;
mod failure;
mod generate;
mod import;
mod import_multi;
mod keys;
mod lines;
mod multi;
mod output;
mod pack;
mod program;
mod progress;
mod receipt;
mod rules;
mod run;
mod scaffold;
mod signoff;
mod source;
mod step;
mod tensor;
mod timestamp;
mod trust;
mod trust_list;
mod trusting;
mod validate;

use std::process::ExitCode;

use bp::error::Failure;
use cli::{Cli, Command};
use output::Output;

/// What a verb comes to: the exit status, or why it could not be done.
type Run = Result<u8, Failure>;

fn main() -> ExitCode {
    let (cli, output) = match cli::parse() {
        Ok(parsed) => parsed,
        Err(status) => return ExitCode::from(status),
    };
    let status = run(cli, &output).unwrap_or_else(|failure| output.failure(&failure));
    ExitCode::from(status)
}

fn run(cli: Cli, output: &Output) -> Run {
    match cli.command {
        Command::Reconcile(command) => receipt::reconcile(command, output),
        Command::Verify(command) => receipt::verify(command, output),
        Command::Validate { file } => validate::record(&file, output),
        Command::ValidateInput { file } => validate::topology_input(&file, output),
        Command::Generate(arguments) => generate::generate(&arguments, output),
        Command::Scaffold(command) => scaffold::scaffold(command, output),
        Command::Import(arguments) => import::import(&arguments, output),
        Command::Examples { framework, print } => examples::examples(framework, print, output),
        Command::Rules { number } => rules::rules(number.as_deref(), output),
        Command::Explain { code } => explain::explain(&code, output),
        Command::Run(command) => run::run(&command, output),
        Command::Keys(command) => keys::keys(command, output),
        Command::Trust(command) => trust_list::trust(command, output),
        Command::Attest(arguments) => attest::attest(&arguments, output),
        Command::Signoff(command) => signoff::signoff(command, output),
        Command::Timestamp(command) => timestamp::timestamp(command, output),
        Command::Receipt(command) => attest::receipt(command, output),
        Command::Pack(command) => pack::pack(command, output),
        Command::Annex(command) => annex::annex(&command, output),
        Command::Contract(command) => contract::contract(&command, output),
        Command::Step(command) => step::step(&command, output),
        Command::Tensor(command) => tensor::tensor(&command, output),
        Command::VerifyPack(arguments) => pack::verify::verify(&arguments, output),
    }
}
