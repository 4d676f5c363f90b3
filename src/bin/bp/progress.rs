//! A bar on a terminal, for what takes longer than a second; nothing in a pipe.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long something takes before it is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a bar is drawn.
const TICK: Duration = Duration::from_millis(120);

/// Something that is under way. Dropped, it is done, and its bar is gone.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// While it lives, the one who waits goes on waiting.
    going: Option<Sender<()>>,
    waiting: Option<JoinHandle<()>>,
}

impl Progress {
    /// Of so many things, or of no number that is known. Silent, nothing is ever shown.
    pub(crate) fn new(silent: bool, what: &str, length: Option<u64>) -> Self {
        let template =
            if length.is_some() { "{msg} [{bar:30}] {pos}/{len}" } else { "{msg} {spinner} {elapsed}" };
        Self::shown(silent, what, length, template)
    }

    /// Of so many bytes, with their rate and the time that remains.
    pub(crate) fn bytes(silent: bool, what: &str, length: Option<u64>) -> Self {
        let template = match length {
            Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            None => "{msg} {spinner} {bytes} {bytes_per_sec}",
        };
        Self::shown(silent, what, length, template)
    }

    fn shown(silent: bool, what: &str, length: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::hidden();
        if silent || !io::stderr().is_terminal() {
            return Self { bar, going: None, waiting: None };
        }
        if let Some(length) = length {
            bar.set_length(length);
        }
        let style = ProgressStyle::with_template(template).expect("the template is one of those above");
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(what.to_owned());
        let (going, gone) = mpsc::channel();
        let shown = bar.clone();
        let waiting = thread::spawn(move || {
            if gone.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(TICK);
            }
        });
        Self { bar, going: Some(going), waiting: Some(waiting) }
    }

    /// One more is done.
    pub(crate) fn one(&self) {
        self.bar.inc(1);
    }

    /// What counts more as they are done, from wherever that is.
    pub(crate) fn counter(&self) -> impl Fn(u64) + Send + Sync + 'static + use<> {
        let bar = self.bar.clone();
        move |more| bar.inc(more)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.going.take());
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.join();
        }
        self.bar.finish_and_clear();
    }
}
