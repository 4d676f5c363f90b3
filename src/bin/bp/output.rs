//! Where output goes: data to standard output, words to standard error; whole, or an error.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use bp::error::{self, Failure};
use clap::ValueEnum;
use serde::Serialize;

use crate::cli::Cli;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How this run speaks.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    quiet: bool,
    paint: bool,
}

impl Output {
    pub(crate) fn new(cli: &Cli) -> Self {
        let paint = match cli.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => crate::source::variable("NO_COLOR").is_none() && io::stderr().is_terminal(),
        };
        Self { json: cli.json, verbose: cli.verbose, quiet: cli.quiet, paint }
    }

    /// For the time before arguments are known.
    pub(crate) fn json_only() -> Self {
        Self { json: true, verbose: false, quiet: false, paint: false }
    }

    /// Words for people, on standard error.
    pub(crate) fn say(&self, text: &str) {
        if self.quiet || self.json {
            return;
        }
        self.tell(text);
    }

    fn tell(&self, text: &str) {
        let text = text.trim_end_matches('\n');
        let text = if self.paint { painted(text) } else { text.to_owned() };
        // Nowhere is left to report that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Data, on standard output.
    #[expect(clippy::unused_self, reason = "there is one way to write, and it is asked for here")]
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
            Failure::of(&error::IO_ERROR, &error).hint("standard output could not be written")
        })
    }

    /// One envelope on standard output.
    pub(crate) fn envelope(&self, envelope: &impl Serialize) -> Result<(), Failure> {
        let mut text =
            serde_json::to_string(envelope).map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
        text.push('\n');
        self.data(text.as_bytes())
    }

    /// Data into a file, whole or not at all; without one, to standard output.
    pub(crate) fn file_or_data(&self, path: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
        match path {
            None => self.data(bytes),
            Some(path) => {
                bp::persist::replace(path, bytes, 0o644).map_err(|error| crate::source::failure(path, &error))
            }
        }
    }

    /// A failure, told; its exit status comes back.
    pub(crate) fn failure(&self, failure: &Failure) -> u8 {
        if self.json {
            if let Err(broken) = self.envelope(&failure.envelope()) {
                self.tell(&format!("error: {}", broken.message));
            }
            return failure.code.exit;
        }
        let mut text = format!("error: {}", failure.message);
        for cause in &failure.causes {
            text.push_str("\n  cause: ");
            text.push_str(cause);
        }
        text.push_str("\nhelp: ");
        text.push_str(failure.told_hint());
        self.tell(&text);
        failure.code.exit
    }
}

/// The marks of a text in colour: red what is broken, green what holds, yellow what could not be decided.
fn painted(text: &str) -> String {
    let marks = [
        ("[FAIL]", "\u{1b}[31m[FAIL]\u{1b}[0m"),
        ("[PASS]", "\u{1b}[32m[PASS]\u{1b}[0m"),
        ("[WARN]", "\u{1b}[33m[WARN]\u{1b}[0m"),
        ("[----]", "\u{1b}[33m[----]\u{1b}[0m"),
        ("error:", "\u{1b}[1;31merror:\u{1b}[0m"),
        ("help:", "\u{1b}[1mhelp:\u{1b}[0m"),
    ];
    marks.iter().fold(text.to_owned(), |text, (mark, paint)| text.replace(mark, paint))
}
