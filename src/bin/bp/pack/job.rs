//! `pack run -- COMMAND`: the training command, run and watched.
//!
//! The command has the standard streams of `bp`. Where standard output and error are no terminals, what it writes passes
//! through and is kept, all or its beginning and end; a terminal is the command's own, and nothing of it is kept.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bp::error::{self, Failure};
use bp::run::{Job, Names, masked};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::clock;

/// Bytes of output that are kept from its beginning, and as many from its end.
const KEPT: usize = 512 << 10;
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
    let piped = !io::stdout().is_terminal() && !io::stderr().is_terminal();
    let mut started = Command::new(program);
    started.args(&command[1..]);
    if piped {
        started.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    // From here on a signal is the command's: `bp` outlives it, to write down what happened.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])
        .map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    let mut child = started.spawn().map_err(|error| {
        let message = format!("{}: {error}", program.to_string_lossy());
        Failure::new(&error::COMMAND_NOT_STARTED, message)
    })?;
    let handle = signals.handle();
    let target = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let passing = std::thread::spawn(move || {
        for signal in signals.forever() {
            // A terminal sends these to the command as well.
            let twice = matches!(signal, SIGINT | SIGQUIT) && io::stdin().is_terminal();
            if let (false, Ok(signal)) = (twice, Signal::try_from(signal)) {
                let _ = kill(target, signal);
            }
        }
    });
    let log = piped.then(|| tee(&mut child));
    let status = child.wait().map_err(|error| Failure::of(&error::IO_ERROR, &error))?;
    handle.close();
    let _ = passing.join();
    let log = log.map(Tee::finish);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|error| Failure::of(&error::IO_ERROR, &io::Error::from(error)))?;
    #[allow(clippy::cast_precision_loss, reason = "seconds of a job")]
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let job = Job {
        arguments: command.iter().map(|word| masked(&word.to_string_lossy(), names)).collect(),
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

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Output on its way through.
struct Tee {
    log: Arc<Mutex<Log>>,
    done: mpsc::Receiver<()>,
}

fn tee(child: &mut Child) -> Tee {
    let log = Arc::new(Mutex::new(Log::default()));
    let (sender, done) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        pass(stdout, io::stdout(), Arc::clone(&log), sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        pass(stderr, io::stderr(), Arc::clone(&log), sender);
    }
    Tee { log, done }
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

impl Tee {
    fn finish(self) -> Log {
        for _ in 0..2 {
            if self.done.recv_timeout(GRACE).is_err() {
                break;
            }
        }
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Output: its beginning, its end, and how much it was.
#[derive(Debug, Default)]
struct Log {
    head: Vec<u8>,
    tail: Vec<u8>,
    count: u64,
}

impl Log {
    fn push(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    fn into_bytes(mut self) -> Vec<u8> {
        let end = self.tail.split_off(self.tail.len().saturating_sub(KEPT));
        let left = self.count - (self.head.len() + end.len()) as u64;
        if left > 0 {
            self.head.extend_from_slice(format!("\n[... {left} bytes left out ...]\n").as_bytes());
        }
        self.head.extend(end);
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_beginning_and_its_end_and_says_what_is_left_out() {
        let mut log = Log::default();
        log.push(b"first\n");
        for _ in 0..1000 {
            log.push(&[b'x'; 5000]);
        }
        log.push(b"last\n");
        let count = log.count;
        let text = String::from_utf8(log.into_bytes()).unwrap();
        assert!(text.starts_with("first\n") && text.ends_with("last\n"));
        let left = count - 2 * KEPT as u64;
        assert!(text.contains(&format!("[... {left} bytes left out ...]")), "{left}");
        let mut short = Log::default();
        short.push(b"all");
        assert_eq!(short.into_bytes(), b"all");
    }
}
