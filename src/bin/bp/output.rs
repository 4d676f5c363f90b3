//! Where output goes: data to standard output, words to standard error; whole, or an error.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write as _};
use std::path::Path;

use bp::error::{self, Failure};
use bp::report::{Long, fold, plain};
use clap::ValueEnum;
use clap::builder::StyledStr;
use serde::Serialize;

use crate::Run;
use crate::cli::Cli;
use crate::progress::Progress;

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
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    quiet: bool,
    colour: Colour,
}

impl Output {
    pub(crate) fn new(cli: &Cli) -> Self {
        Self { json: cli.json, verbose: cli.verbose, quiet: cli.quiet, colour: cli.color }
    }

    /// For arguments that do not parse: what of them says how to speak.
    pub(crate) fn before(arguments: impl Iterator<Item = OsString>) -> Self {
        let arguments: Vec<OsString> = arguments.collect();
        let word = |at: usize| arguments.get(at).and_then(|argument| argument.to_str());
        let colour = (0..arguments.len()).find_map(|at| match word(at)? {
            "--color" => word(at + 1),
            argument => argument.strip_prefix("--color="),
        });
        let colour = colour.and_then(|colour| Colour::from_str(colour, false).ok());
        let json = arguments.iter().any(|argument| argument == "--json");
        Self { json, verbose: false, quiet: false, colour: colour.unwrap_or(Colour::Auto) }
    }

    /// Whether what goes to a stream is painted.
    fn paints(&self, stream: &impl IsTerminal) -> bool {
        match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => crate::source::variable("NO_COLOR").is_none() && stream.is_terminal(),
        }
    }

    /// Help that was asked for: data, in colour where that is wanted.
    pub(crate) fn help(&self, text: &StyledStr) -> Result<(), Failure> {
        if self.json {
            return self.envelope(&serde_json::json!({ "ok": true, "help": text.to_string() }));
        }
        let text = if self.paints(&io::stdout()) { text.ansi().to_string() } else { text.to_string() };
        self.data(text.as_bytes())
    }

    /// Words for people, on standard error.
    pub(crate) fn say(&self, text: &str) {
        if self.quiet || self.json {
            return;
        }
        self.tell(text);
    }

    /// A sentence under a mark such as `[WARN]`, within the width of a terminal.
    pub(crate) fn mark(&self, mark: &str, text: &str) {
        self.say(&fold(&format!("{mark} "), text, Long::Keep));
    }

    /// Something that is under way, of so many things where their number is known.
    pub(crate) fn progress(&self, what: &str, length: Option<usize>) -> Progress {
        Progress::new(self.quiet || self.json, what, length.map(|length| length as u64))
    }

    /// Bytes that are under way.
    pub(crate) fn transfer(&self, what: &str, size_bytes: Option<u64>) -> Progress {
        Progress::bytes(self.quiet || self.json, what, size_bytes)
    }

    fn tell(&self, text: &str) {
        let text = harmless(text.trim_end_matches('\n'));
        let text = if self.paints(&io::stderr()) { painted(&text) } else { text };
        // Nowhere is left to report that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Data, on standard output.
    #[expect(clippy::unused_self, reason = "whoever may speak holds an `Output`")]
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
            Some(path) if path == Path::new("-") => self.data(bytes),
            Some(path) => {
                bp::persist::replace(path, bytes, 0o644).map_err(|error| crate::source::failure(path, &error))
            }
        }
    }

    /// The one thing that a verb makes: where it went and how long it is are told, unless it is the output itself.
    pub(crate) fn written(&self, path: Option<&Path>, bytes: &[u8]) -> Run {
        self.file_or_data(path, bytes)?;
        if let Some(path) = path {
            if self.json {
                let out = crate::source::shown(path);
                self.envelope(&serde_json::json!({ "ok": true, "out": out, "bytes": bytes.len() }))?;
            } else {
                self.say(&format!("wrote {} ({} bytes)", path.display(), bytes.len()));
            }
        }
        Ok(0)
    }

    /// A failure, told; its exit status comes back.
    pub(crate) fn failure(&self, failure: &Failure) -> u8 {
        if self.json {
            if let Err(broken) = self.envelope(&failure.envelope()) {
                self.tell(&format!("error: {}", broken.message));
            }
            return failure.code.exit;
        }
        let mut text = fold("error: ", &failure.message, Long::Keep);
        for cause in &failure.causes {
            text.push_str(&fold("  cause: ", cause, Long::Keep));
        }
        text.push_str(&fold("help: ", failure.told_hint(), Long::Keep));
        self.tell(&text);
        failure.code.exit
    }
}

/// Text in which nothing speaks to the terminal, line by line.
fn harmless(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// The marks of a text in colour: red what is broken, green what holds, yellow what could not be decided.
fn painted(text: &str) -> String {
    let marks = [
        ("[FAIL]", "\u{1b}[31m[FAIL]\u{1b}[0m"),
        ("[PASS]", "\u{1b}[32m[PASS]\u{1b}[0m"),
        ("[WARN]", "\u{1b}[33m[WARN]\u{1b}[0m"),
        ("[----]", "\u{1b}[33m[----]\u{1b}[0m"),
        (" holds   ", " \u{1b}[32mholds\u{1b}[0m   "),
        (" broken  ", " \u{1b}[31mbroken\u{1b}[0m  "),
        ("PASS, proof grade:", "\u{1b}[1;32mPASS, proof grade:\u{1b}[0m"),
        ("Refused:", "\u{1b}[1;31mRefused:\u{1b}[0m"),
        ("error:", "\u{1b}[1;31merror:\u{1b}[0m"),
        ("help:", "\u{1b}[1mhelp:\u{1b}[0m"),
    ];
    marks.iter().fold(text.to_owned(), |text, (mark, paint)| text.replace(mark, paint))
}
