//! `pack run -- COMMAND`: the training command, run and watched.
//!
//! What it writes passes through, and its beginning and end are kept. On a terminal it has a terminal of its own, so that
//! it draws as it would without `bp` ([`terminal`]); streams that are none stay what they are.

mod kept;
mod log;
mod terminal;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bp::error::{self, Failure};
use bp::run::{Job, Names, masked};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::flag;
use signal_hook::iterator::Signals;

pub(super) use kept::Kept;
use log::Log;
use terminal::{Session, Terminal};

use crate::clock;

/// How long output is waited for once the command has ended: a process that it left behind may hold the pipe for ever.
const GRACE: Duration = Duration::from_secs(2);

/// What became of the command.
pub(super) struct Watched {
    pub(super) job: Job,
    /// Its exit status; 128 and the signal's number where one ended it, as shells have it.
    pub(super) exit_code: i32,
    pub(super) log: Option<Vec<u8>>,
}

/// Runs the command to its end. Signals sent to `bp` are passed on.
pub(super) fn watch(command: &[OsString], names: Names) -> Result<Watched, Failure> {
    let program = command.first().ok_or_else(|| Failure::new(&error::USAGE, "no command after --"))?;
    let started_at = clock::now()?.to_string();
    let failed = |error: io::Error| Failure::of(&error::IO_ERROR, &error);
    let terminal = Terminal::like_ours().map_err(failed)?;
    let mut started = Command::new(program);
    started.args(&command[1..]);
    // From here on a signal is the command's: `bp` outlives it, to write down what happened.
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH]).map_err(failed)?;
    let window = terminal.as_ref().map(Terminal::window);
    let spawned = match terminal {
        Some(terminal) => terminal.spawn(started).map(|(child, session)| (child, Some(session))),
        None => piped(started).spawn().map(|child| (child, None)),
    };
    let (mut child, session) = spawned.map_err(|error| {
        let message = format!("{}: {error}", program.to_string_lossy());
        Failure::new(&error::COMMAND_NOT_STARTED, message)
    })?;
    let handle = signals.handle();
    let target = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let passing = std::thread::spawn(move || {
        for signal in signals.forever() {
            // Our terminal sends these to the command as well, unless the command has one of its own.
            let twice = matches!(signal, SIGINT | SIGQUIT) && window.is_none() && io::stdin().is_terminal();
            match (signal, &window) {
                (SIGWINCH, Some(window)) => window.resize(),
                (SIGWINCH, None) => {}
                _ => {
                    if let (false, Ok(signal)) = (twice, Signal::try_from(signal)) {
                        let _ = kill(target, signal);
                    }
                }
            }
        }
    });
    let tee = Tee::of(&mut child, session.as_ref());
    let status = child.wait().map_err(failed)?;
    handle.close();
    let _ = passing.join();
    // Signals are ours again, and end what follows: taking them has left no default behind.
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2] {
        flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true))).map_err(failed)?;
    }
    let log = tee.map(Tee::finish);
    if let Some(session) = session {
        session.end();
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|error| Failure::of(&error::IO_ERROR, &io::Error::from(error)))?;
    #[allow(clippy::cast_precision_loss, reason = "seconds of a job")]
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let job = Job {
        arguments: spelled(command, names),
        started_at,
        ended_at: clock::now()?.to_string(),
        signal: signal_of(status),
        user_seconds: seconds(usage.user_time()),
        system_seconds: seconds(usage.system_time()),
        // Linux counts in KiB, macOS in bytes.
        max_resident_bytes: u64::try_from(usage.max_rss()).unwrap_or(0)
            * if cfg!(target_vendor = "apple") { 1 } else { 1024 },
        output_bytes: log.as_ref().map(|log| log.count),
    };
    let exit_code = status.code().unwrap_or_else(|| 128 + signal_of(status).unwrap_or(0));
    Ok(Watched { job, exit_code, log: log.map(Log::into_bytes) })
}

/// A command as it is recorded.
fn spelled(command: &[OsString], names: Names) -> Vec<String> {
    command.iter().map(|word| masked(&word.to_string_lossy(), names)).collect()
}

/// The command with pipes for what is no terminal.
fn piped(mut command: Command) -> Command {
    if !io::stdout().is_terminal() {
        command.stdout(Stdio::piped());
    }
    if !io::stderr().is_terminal() {
        command.stderr(Stdio::piped());
    }
    command
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Output on its way through.
struct Tee {
    log: Arc<Mutex<Log>>,
    streams: usize,
    done: mpsc::Receiver<()>,
}

impl Tee {
    /// Of every stream of the command that `bp` sees; `None` where it sees none, and what was written is not known.
    fn of(child: &mut Child, session: Option<&Session>) -> Option<Self> {
        let log = Arc::new(Mutex::new(Log::default()));
        let (sender, done) = mpsc::channel();
        let mut streams = 0;
        let mut through = |from: Option<Box<dyn Read + Send>>, to: Box<dyn Write + Send>| {
            if let Some(from) = from {
                streams += 1;
                pass(from, to, Arc::clone(&log), sender.clone());
            }
        };
        through(child.stdout.take().map(|stream| Box::new(stream) as _), Box::new(io::stdout()));
        through(child.stderr.take().map(|stream| Box::new(stream) as _), Box::new(io::stderr()));
        if let Some(session) = session {
            let screen: Box<dyn Write + Send> =
                if io::stdout().is_terminal() { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
            through(Some(Box::new(session.output())), screen);
        }
        (streams > 0).then_some(Self { log, streams, done })
    }

    fn finish(self) -> Log {
        for _ in 0..self.streams {
            if self.done.recv_timeout(GRACE).is_err() {
                break;
            }
        }
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn pass(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    log: Arc<Mutex<Log>>,
    done: Sender<()>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count]);
                    // Whoever read it is gone; the log goes on.
                    let _ = to.write_all(&buffer[..count]).and_then(|()| to.flush());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = done.send(());
    });
}
